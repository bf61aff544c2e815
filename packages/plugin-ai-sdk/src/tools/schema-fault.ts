import { isDeepStrictEqual } from 'node:util';
import type { JsonObject, JsonValue } from '@worker-runtime/core';
import { isObject } from '@worker-runtime/core/plugin-kit';

/** The most steps of one check. A schema of a few lines can demand billions, so larger checks end without a judgement. */
const MAX_STEPS = 100_000;
/** The most choices and characters to name in a fault. */
const MAX_CHOICES = 20;
const MAX_SHOWN_CHARS = 100;

/** Ends a check whose result cannot be known. */
class Undecided extends Error {}

const typeOf = (value: JsonValue): string => {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return Number.isInteger(value) ? 'integer' : typeof value;
};

const FORMATS: Readonly<Record<string, (text: string) => boolean>> = {
  email: (text) => /^[^\s@]+@[^\s@]+$/.test(text),
  uri: (text) => URL.canParse(text),
  date: (text) => /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text)),
  'date-time': (text) => /^\d{4}-\d\d-\d\d[Tt ]/.test(text) && !Number.isNaN(Date.parse(text)),
};

const shown = (value: JsonValue): string => {
  const text = JSON.stringify(value);
  return text.length > MAX_SHOWN_CHARS ? `${text.slice(0, MAX_SHOWN_CHARS)}…` : text;
};

const schemasOf = (value: JsonValue | undefined): readonly JsonValue[] => (Array.isArray(value) ? value : []);

/**
 * One check of a value by a JSON Schema. It judges by the keywords that tool servers use and ignores all others, among
 * them regular expressions, because a server could choose one that never ends.
 */
class SchemaCheck {
  readonly #root: JsonValue;
  #steps = 0;

  constructor(root: JsonValue) {
    this.#root = root;
  }

  fault(schema: JsonValue, value: JsonValue, at: string): string | null {
    this.#step();
    if (schema === false) return `${at || 'the value'} must be absent`;
    if (!isObject(schema)) return null;
    const rules = schema as JsonObject;
    if (typeof rules.$ref === 'string') {
      const fault = this.fault(this.#referenced(rules.$ref), value, at);
      if (fault !== null) return fault;
    }
    return (
      this.#faultOfValue(rules, value, at || 'the value') ??
      this.#faultOfAlternatives(rules, value, at) ??
      (Array.isArray(value) ? this.#faultOfItems(rules, value, at) : null) ??
      (isObject(value) ? this.#faultOfMembers(rules, value as JsonObject, at) : null)
    );
  }

  #step(count = 1): void {
    this.#steps += count;
    if (this.#steps > MAX_STEPS) throw new Undecided();
  }

  #referenced(reference: string): JsonValue {
    let at: JsonValue | undefined = this.#root;
    if (!reference.startsWith('#')) throw new Undecided();
    for (const key of reference.slice(1).split('/').filter(Boolean)) {
      this.#step();
      const name = decodeURIComponent(key).replaceAll('~1', '/').replaceAll('~0', '~');
      at = isObject(at) && Object.hasOwn(at, name) ? (at as JsonObject)[name] : undefined;
    }
    if (at === undefined) throw new Undecided();
    return at;
  }

  #faultOfValue(rules: JsonObject, value: JsonValue, at: string): string | null {
    const { type, enum: choices, const: only } = rules;
    const types = typeof type === 'string' ? [type] : schemasOf(type);
    const is = typeOf(value);
    if (types.length > 0 && !types.includes(is) && !(is === 'integer' && types.includes('number')))
      return `${at} must be of the type ${types.slice(0, MAX_CHOICES).map(shown).join(' or ')}`;
    if (only !== undefined && !isDeepStrictEqual(only, value)) return `${at} must be ${shown(only)}`;
    if (Array.isArray(choices)) {
      this.#step(choices.length);
      if (!choices.some((choice: JsonValue) => isDeepStrictEqual(choice, value)))
        return `${at} must be one of: ${choices.slice(0, MAX_CHOICES).map(shown).join(', ')}`;
    }
    if (typeof value === 'string') {
      const { format } = rules;
      if (typeof format === 'string' && Object.hasOwn(FORMATS, format) && !FORMATS[format]?.(value))
        return `${at} must be of the format ${format}`;
      if (rules.minLength === undefined && rules.maxLength === undefined) return null;
      this.#step(value.length);
      return sizeFault(rules, ['minLength', 'maxLength'], Array.from(value).length, 'characters', at);
    }
    if (typeof value !== 'number') return null;
    const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = rules;
    if (typeof minimum === 'number' && value < minimum) return `${at} must be at least ${minimum}`;
    if (typeof maximum === 'number' && value > maximum) return `${at} must be at most ${maximum}`;
    if (typeof exclusiveMinimum === 'number' && value <= exclusiveMinimum)
      return `${at} must be more than ${exclusiveMinimum}`;
    if (typeof exclusiveMaximum === 'number' && value >= exclusiveMaximum)
      return `${at} must be less than ${exclusiveMaximum}`;
    return null;
  }

  #faultOfAlternatives({ allOf, anyOf, oneOf }: JsonObject, value: JsonValue, at: string): string | null {
    for (const schema of schemasOf(allOf)) {
      const fault = this.fault(schema, value, at);
      if (fault !== null) return fault;
    }
    for (const alternatives of [schemasOf(anyOf), schemasOf(oneOf)])
      if (alternatives.length > 0 && alternatives.every((schema) => this.fault(schema, value, at) !== null))
        return `${at || 'the value'} must fit one of ${alternatives.length} schemas`;
    return null;
  }

  #faultOfItems(rules: JsonObject, values: readonly JsonValue[], at: string): string | null {
    const { items } = rules;
    const size = sizeFault(rules, ['minItems', 'maxItems'], values.length, 'items', at || 'the value');
    if (size !== null || items === undefined || Array.isArray(items)) return size;
    for (const [index, value] of values.entries()) {
      const fault = this.fault(items, value, `${at}/${index}`);
      if (fault !== null) return fault;
    }
    return null;
  }

  #faultOfMembers(rules: JsonObject, value: JsonObject, at: string): string | null {
    const { required, additionalProperties = true, patternProperties } = rules;
    for (const name of schemasOf(required)) {
      this.#step();
      if (typeof name === 'string' && !Object.hasOwn(value, name)) return `${at}/${name} is missing`;
    }
    const properties = isObject(rules.properties) ? (rules.properties as JsonObject) : {};
    for (const [name, member] of Object.entries(value)) {
      const isNamed = Object.hasOwn(properties, name);
      if (!isNamed && patternProperties !== undefined) continue;
      const schema = isNamed ? (properties[name] as JsonValue) : additionalProperties;
      const fault = this.fault(schema, member, `${at}/${name.slice(0, MAX_SHOWN_CHARS)}`);
      if (fault !== null) return fault;
    }
    return null;
  }
}

const sizeFault = (
  rules: JsonObject,
  [least, most]: readonly [string, string],
  size: number,
  unit: string,
  at: string,
): string | null => {
  const { [least]: min, [most]: max } = rules;
  if (typeof min === 'number' && size < min) return `${at} must have at least ${min} ${unit}`;
  return typeof max === 'number' && size > max ? `${at} must have at most ${max} ${unit}` : null;
};

/**
 * Returns the first fault of a value by a JSON Schema, or null if it has none that is known. Schemas and values of tool
 * servers are not trusted: a check ends after a number of steps, and one that cannot be decided finds no fault.
 */
export const schemaFault = (schema: JsonValue, value: JsonValue): string | null => {
  try {
    return new SchemaCheck(schema).fault(schema, value, '');
  } catch (error) {
    if (error instanceof Undecided || error instanceof RangeError || error instanceof URIError) return null;
    throw error;
  }
};
