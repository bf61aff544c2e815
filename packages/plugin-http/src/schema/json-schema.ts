import type { JsonValue } from '@worker-runtime/core';

/** A JSON Schema of draft 2020-12, as OpenAPI 3.1 uses it. */
export type JsonSchema = { readonly [keyword: string]: JsonValue };
export type Schemas = Readonly<Record<string, JsonSchema>>;

export const ref = (name: string): JsonSchema => ({ $ref: `#/components/schemas/${name}` });

export const string: JsonSchema = { type: 'string' };
export const boolean: JsonSchema = { type: 'boolean' };
export const count: JsonSchema = { type: 'integer', minimum: 0 };
export const dateTime: JsonSchema = { type: 'string', format: 'date-time' };
export const anyJson: JsonSchema = {};
export const anyObject: JsonSchema = { type: 'object' };
/** The only value `true`. It is no `const`, from which generators of clients make invalid code. */
export const constTrue: JsonSchema = { type: 'boolean', enum: [true] };
export const nullableString: JsonSchema = { type: ['string', 'null'] };

export const enumOf = (...values: readonly string[]): JsonSchema => ({ type: 'string', enum: values });
export const constant = (value: string): JsonSchema => ({ type: 'string', const: value });
export const arrayOf = (items: JsonSchema, bounds: JsonSchema = {}): JsonSchema => ({
  type: 'array',
  items,
  ...bounds,
});
export const mapOf = (values: JsonSchema): JsonSchema => ({ type: 'object', additionalProperties: values });
export const nullable = (schema: JsonSchema): JsonSchema => ({ anyOf: [schema, { type: 'null' }] });
export const described = (schema: JsonSchema, description: string): JsonSchema => ({
  ...schema,
  description,
});

/**
 * Returns a union of components that a field distinguishes: the name of the component by the value of the field. Only
 * named components can have a discriminator, by which generated clients choose the type of a value.
 */
export const union = (field: string, components: Readonly<Record<string, string>>): JsonSchema => ({
  oneOf: Object.values(components).map(ref),
  discriminator: {
    propertyName: field,
    mapping: Object.fromEntries(
      Object.entries(components).map(([value, name]) => [value, `#/components/schemas/${name}`]),
    ),
  },
});

type OptionalKey<T> = { [K in keyof T & string]-?: object extends Pick<T, K> ? K : never }[keyof T & string];
type RequiredKey<T> = Exclude<keyof T & string, OptionalKey<T>>;

/**
 * Returns the schema of an object with exactly the fields of a type: first the required ones, then the optional ones.
 * A change of the type is a compile error here.
 */
export const object = <T extends object>(
  ...[required, optional]: OptionalKey<T> extends never
    ? [required: Readonly<Record<RequiredKey<T>, JsonSchema>>]
    : [
        required: Readonly<Record<RequiredKey<T>, JsonSchema>>,
        optional: Readonly<Record<OptionalKey<T>, JsonSchema>>,
      ]
): JsonSchema => ({
  type: 'object',
  properties: { ...(required as Schemas), ...(optional as Schemas | undefined) },
  ...(Object.keys(required).length > 0 && { required: Object.keys(required) }),
});

/** Closes the schema of a request: unknown fields are refused. */
export const closed = (schema: JsonSchema): JsonSchema => ({ ...schema, additionalProperties: false });
