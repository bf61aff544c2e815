import type { JsonObject } from '@worker-runtime/core';
import { isObject } from '@worker-runtime/core/plugin-kit';

/** A tool of a server that Workers can be granted. */
export interface McpTool {
  /** The name under which the server knows it. */
  readonly name: string;
  readonly description: string;
  /** A schema of the type `object`, as models require it. */
  readonly inputSchema: JsonObject;
  /** The schema of structured results, if the server declares one. */
  readonly outputSchema: JsonObject | null;
}

/** A tool of a server that is not offered. */
export interface LeftOutTool {
  readonly name: string;
  readonly reason: string;
}

/** The names under which tools can be granted. */
const GRANTABLE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const MAX_SHOWN_NAME_CHARS = 128;
/** The size limit of the definition of a tool, as JSON. A larger one would fill the context of a model. */
const MAX_DEFINITION_CHARS = 262_144;

const isSchema = (value: unknown): boolean => typeof value === 'boolean' || isObject(value);

/**
 * Returns the schema of an input, repaired where that changes no accepted input: an absent schema, and one without a
 * type, accept objects, because every input of a tool is one. Returns the reason if a model cannot use the schema.
 */
const inputSchemaOf = (given: unknown): JsonObject | string => {
  const schema = given === undefined || given === null || given === true ? {} : given;
  if (!isObject(schema)) return 'its input schema is not an object';
  const { type, properties, required, ...rest } = schema as JsonObject;
  const types = Array.isArray(type) ? type : [type ?? 'object'];
  if (!types.includes('object')) return 'its input is not of the type object';
  if (!isObject(properties ?? {}) || !Object.values((properties ?? {}) as JsonObject).every(isSchema))
    return 'its input schema has invalid properties';
  const names = Array.isArray(required) ? required.filter((name) => typeof name === 'string') : [];
  return {
    ...rest,
    type: 'object',
    properties: properties ?? {},
    ...(names.length > 0 && { required: names }),
  };
};

/** Judges one entry of a tool list. A tool that cannot be offered costs only itself. */
export const judgeTool = (server: string, entry: unknown): McpTool | LeftOutTool => {
  const { name, description, inputSchema, outputSchema, execution } = isObject(entry)
    ? (entry as Readonly<Record<string, unknown>>)
    : {};
  if (typeof name !== 'string' || name === '') return { name: '', reason: 'it has no name' };
  const leftOut = (reason: string): LeftOutTool => ({ name: name.slice(0, MAX_SHOWN_NAME_CHARS), reason });
  if (!GRANTABLE_NAME.test(`${server}.${name}`))
    return leftOut('its name is too long, or has others than letters, digits, ".", "_" and "-"');
  if (JSON.stringify([description, inputSchema, outputSchema]).length > MAX_DEFINITION_CHARS)
    return leftOut(`its definition has more than ${MAX_DEFINITION_CHARS} characters`);
  if (isObject(execution) && (execution as JsonObject).taskSupport === 'required')
    return leftOut('it can be called only as a task, which is not supported');
  const schema = inputSchemaOf(inputSchema);
  if (typeof schema === 'string') return leftOut(schema);
  return {
    name,
    description: typeof description === 'string' ? description : '',
    inputSchema: schema,
    outputSchema: isObject(outputSchema) ? (outputSchema as JsonObject) : null,
  };
};
