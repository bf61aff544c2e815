import type { JsonValue } from '@worker-runtime/core';
import fc from 'fast-check';

/** The part of JSON Schema that the requests use. */
export interface Node {
  readonly $ref?: string;
  readonly const?: JsonValue;
  readonly enum?: readonly JsonValue[];
  readonly anyOf?: readonly Node[];
  readonly oneOf?: readonly Node[];
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Node>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Node;
  readonly propertyNames?: Node;
  readonly maxProperties?: number;
  readonly items?: Node;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
}
type Json = fc.Arbitrary<JsonValue>;

// no lone surrogates, which JSON Schema cannot refuse, and no characters that it counts differently from JavaScript
const character = fc.oneof(
  fc.string({ minLength: 1, maxLength: 1 }),
  fc.constantFrom('é', '漢', '\u0000', ' ', '/'),
);
const anything = fc.jsonValue({ maxDepth: 2 }) as Json;

const stringOf = ({ pattern, minLength = 0, maxLength = 10_000 }: Node): Json => {
  if (pattern === undefined)
    return fc.string({ unit: character, minLength, maxLength: Math.min(maxLength, minLength + 40) });
  const exact = new RegExp(pattern, 'u');
  // lookaheads cannot be generated, so the values are filtered
  const loose = new RegExp(pattern.replace(/\(\?![^()]*(?:\([^()]*\))?[^()]*\)/g, ''));
  return fc.stringMatching(loose).filter((text) => exact.test(text) && text.length <= maxLength);
};

const odd: Json = fc.oneof(
  anything,
  fc.constantFrom<JsonValue>(
    null,
    '',
    ' ',
    '..',
    'a'.repeat(129),
    'a'.repeat(257),
    'x'.repeat(5_000),
    -1,
    0.5,
    1e21,
    true,
    [],
    {},
    [[]],
    'fs:/a/../b',
    'fs://a',
    'fs:/',
  ),
);

type Path = readonly (string | number)[];

const pathsIn = (value: JsonValue, at: Path = []): readonly Path[] => {
  if (typeof value !== 'object' || value === null) return [at];
  const inner = Object.entries(value).flatMap(([key, member]) =>
    pathsIn(member as JsonValue, [...at, Array.isArray(value) ? Number(key) : key]),
  );
  return [at, ...inner];
};

const changed = (
  value: JsonValue,
  [key, ...rest]: Path,
  change: (value: JsonValue) => JsonValue,
): JsonValue => {
  if (key === undefined) return change(value);
  const copy = structuredClone(value) as Record<string | number, JsonValue>;
  copy[key] = changed(copy[key] as JsonValue, rest, change);
  return copy as JsonValue;
};

const isRecord = (value: JsonValue): value is Readonly<Record<string, JsonValue>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Generates values of the schemas of a document. */
export class GeneratedValues {
  readonly #schemas: Readonly<Record<string, Node>>;

  constructor(schemas: Readonly<Record<string, Node>>) {
    this.#schemas = schemas;
  }

  /** Generates valid values of a schema. */
  validOf(node: Node): Json {
    if (node.$ref !== undefined)
      return this.validOf(this.#schemas[node.$ref.split('/').at(-1) as string] as Node);
    if (node.const !== undefined) return fc.constant(node.const);
    if (node.enum) return fc.constantFrom(...node.enum);
    const branches = node.anyOf ?? node.oneOf;
    if (branches) return fc.oneof(...branches.map((branch) => this.validOf(branch)));
    const [type, ...others] = [node.type ?? 'any'].flat();
    if (others.length > 0)
      return fc.oneof(fc.constant(null), this.validOf({ ...node, type: type as string }));
    if (type === 'null') return fc.constant(null);
    if (type === 'string') return stringOf(node);
    if (type === 'integer') return fc.integer({ min: node.minimum ?? 0, max: node.maximum ?? 1_000 });
    if (type === 'array')
      return fc.array(this.validOf(node.items ?? {}), {
        minLength: node.minItems ?? 0,
        maxLength: Math.min(node.maxItems ?? 3, 3),
      }) as Json;
    if (type === 'object') return this.#objectOf(node);
    return anything;
  }

  /** Generates values with one member replaced, added or removed; most of them are invalid. */
  mutatedOf(node: Node): Json {
    return fc
      .tuple(this.validOf(node), fc.nat(), odd, fc.constantFrom('replace', 'add', 'drop'), fc.nat())
      .map(([value, position, other, kind, which]) => {
        const paths = pathsIn(value);
        const path = paths[position % paths.length] as Path;
        return changed(value, path, (found) => {
          if (kind === 'replace' || !isRecord(found)) return other;
          if (kind === 'add') return { ...found, wings: other };
          const names = Object.keys(found);
          return Object.fromEntries(
            Object.entries(found).filter(([name]) => name !== names[which % names.length]),
          );
        });
      });
  }

  #objectOf({ properties = {}, required = [], additionalProperties, propertyNames }: Node): Json {
    if (Object.keys(properties).length === 0) {
      const member = typeof additionalProperties === 'object' ? this.validOf(additionalProperties) : anything;
      const key = stringOf(propertyNames ?? {}) as fc.Arbitrary<string>;
      return fc.dictionary(
        key.filter((name) => name !== '__proto__'),
        member,
        { maxKeys: 3, noNullPrototype: true },
      ) as Json;
    }
    const fields = Object.fromEntries(
      Object.entries(properties).map(([name, node]) => [name, this.validOf(node)]),
    );
    return fc.record(fields, { requiredKeys: [...required], noNullPrototype: true }) as Json;
  }
}
