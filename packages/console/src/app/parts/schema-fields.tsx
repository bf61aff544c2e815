import type { JsonObject, JsonValue } from '@worker-runtime/core';
import styles from './field.module.css';
import { inOrder } from './in-order.ts';

interface FieldProps {
  readonly name: string;
  readonly schema: JsonObject;
  readonly value: JsonValue | undefined;
  readonly onChange: (value: JsonValue | undefined) => void;
}

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Returns the fields of a schema; empty if it is not a plain object. */
export const fieldsOf = (schema: JsonObject | null): readonly (readonly [string, JsonObject])[] =>
  isObject(schema?.properties)
    ? Object.entries(schema.properties).flatMap(([name, field]) =>
        isObject(field) ? [[name, field] as const] : [],
      )
    : [];

const valueText = (value: JsonValue): string =>
  inOrder(typeof value === 'string' ? value : JSON.stringify(value));

const defaultText = ({ default: value }: JsonObject): string => (value === undefined ? '' : valueText(value));

const Control = ({ name, schema, value, onChange }: FieldProps) => {
  if (Array.isArray(schema.enum) || schema.type === 'boolean') {
    const choices = Array.isArray(schema.enum) ? schema.enum : [true, false];
    return (
      <select
        value={value === undefined ? '' : JSON.stringify(value)}
        onChange={({ target }) =>
          onChange(target.value === '' ? undefined : (JSON.parse(target.value) as JsonValue))
        }
      >
        <option value="">{defaultText(schema) === '' ? 'not set' : `default: ${defaultText(schema)}`}</option>
        {choices.map((choice) => (
          <option key={JSON.stringify(choice)} value={JSON.stringify(choice)}>
            {valueText(choice)}
          </option>
        ))}
      </select>
    );
  }
  if (schema.type === 'integer' || schema.type === 'number')
    return (
      <input
        type="number"
        step={schema.type === 'integer' ? 1 : 'any'}
        min={typeof schema.minimum === 'number' ? schema.minimum : undefined}
        max={typeof schema.maximum === 'number' ? schema.maximum : undefined}
        placeholder={defaultText(schema)}
        value={typeof value === 'number' ? value : ''}
        onChange={({ target }) =>
          onChange(Number.isNaN(target.valueAsNumber) ? undefined : target.valueAsNumber)
        }
      />
    );
  if (schema.type === 'string')
    return (
      <input
        placeholder={defaultText(schema)}
        value={typeof value === 'string' ? value : ''}
        spellCheck={false}
        onChange={({ target }) => onChange(target.value === '' ? undefined : target.value)}
      />
    );
  return (
    <textarea
      rows={2}
      key={name}
      placeholder={defaultText(schema) || 'JSON'}
      defaultValue={value === undefined ? '' : JSON.stringify(value)}
      spellCheck={false}
      onChange={({ target }) => {
        try {
          target.setCustomValidity('');
          onChange(target.value.trim() === '' ? undefined : (JSON.parse(target.value) as JsonValue));
        } catch {
          target.setCustomValidity('This is not valid JSON');
        }
      }}
    />
  );
};

/** A form of the fields that a schema has. The value is the only copy of what was entered. */
export const SchemaFields = ({
  schema,
  value,
  pointer = '',
  faults = [],
  onChange,
}: {
  readonly schema: JsonObject;
  readonly value: JsonObject;
  /** The place of the value in the request, to which the faults point. */
  readonly pointer?: string;
  readonly faults?: readonly { readonly pointer: string; readonly message: string }[];
  readonly onChange: (value: JsonObject) => void;
}) =>
  fieldsOf(schema).map(([name, field]) => {
    const own = faults.filter((fault) => `${fault.pointer}/`.startsWith(`${pointer}/${name}/`));
    return (
      // biome-ignore lint/a11y/noLabelWithoutControl: the control is a component
      <label key={name} className={styles.field} data-invalid={own.length > 0}>
        <span>
          {inOrder(typeof field.title === 'string' ? field.title : name)}
          {typeof field.description === 'string' && <small>{inOrder(field.description)}</small>}
        </span>
        <Control
          name={name}
          schema={field}
          value={value[name]}
          onChange={(next) => {
            const { [name]: _, ...rest } = value;
            onChange(next === undefined ? rest : { ...rest, [name]: next });
          }}
        />
        {own.map(({ message }) => (
          <em key={message} role="alert">
            {message}
          </em>
        ))}
      </label>
    );
  });
