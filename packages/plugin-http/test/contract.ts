import { DEFAULT_LIMITS } from '@worker-runtime/core';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { openApiDocument } from '../src/schema/document.ts';
import { allRoutes } from './all-routes.ts';

interface Media {
  /** The content of a text that consists of many items is an array of them. */
  readonly schema: { readonly contentSchema?: { readonly items: { readonly $ref: string } } };
}
interface Link {
  readonly operationId: string;
  readonly parameters: Readonly<Record<string, string>>;
}
interface Response {
  readonly description: string;
  readonly content?: Readonly<Record<string, Media>>;
  readonly links?: Readonly<Record<string, Link>>;
}
export interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly schema: { readonly pattern?: string };
}
export interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly description: string;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters: readonly Parameter[];
  readonly requestBody?: {
    readonly content: Readonly<Record<string, { readonly schema: { readonly $ref: string } }>>;
  };
  readonly responses: Readonly<Record<string, Response>>;
}
/** A frame of a stream. The data depends on the event. */
interface Frame {
  readonly anyOf: readonly {
    readonly properties: {
      readonly event: { readonly const: string };
      readonly data: { readonly contentSchema: object };
    };
  }[];
}
export interface Contract {
  readonly tags: readonly { readonly name: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

/** The served document, with the default limits. */
export const contract = openApiDocument(allRoutes(), DEFAULT_LIMITS) as unknown as Contract;

/**
 * Closes a schema: the tests refuse unknown fields of responses, although clients must tolerate them. A schema without a
 * type only adds to another one.
 */
const strict = (schema: unknown): unknown => {
  if (Array.isArray(schema)) return schema.map(strict);
  if (typeof schema !== 'object' || schema === null) return schema;
  const inner = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, strict(value)]));
  return 'properties' in inner && 'type' in inner && !('additionalProperties' in inner)
    ? { ...inner, additionalProperties: false }
    : inner;
};

const ajv = new Ajv2020({ strict: false, allErrors: false });
ajv.addFormat('date-time', /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/);

/** Compiles schemas after a change. Each component is a schema of its own, so that it is compiled once. */
const compiler = (
  id: string,
  change: (schema: unknown) => unknown,
): ((schema: object) => ValidateFunction) => {
  const changed = (schema: object): object =>
    JSON.parse(JSON.stringify(change(schema)).replaceAll('"#/components/schemas/', `"${id}/`));
  for (const [name, schema] of Object.entries(contract.components.schemas))
    ajv.addSchema(changed(schema), `${id}/${name}`);
  const compiled = new Map<object, ValidateFunction>();
  return (schema) => {
    const validate = compiled.get(schema) ?? ajv.compile(changed(schema));
    compiled.set(schema, validate);
    return validate;
  };
};

export const validatorOf = compiler('http://strict', strict);
/** Validates as a client does. A value that fits one branch of a closed union may fit two of the open one. */
const openValidatorOf = compiler('http://open', (schema) => schema);

const assertFits = (what: string, schema: object, value: unknown): void => {
  for (const validate of [validatorOf(schema), openValidatorOf(schema)])
    if (!validate(value))
      throw new Error(
        `${what} does not fit the document: ${ajv.errorsText(validate.errors)}\n${JSON.stringify(value)}`,
      );
};

const patterns = Object.keys(contract.paths).map((path) => ({
  path,
  pattern: new RegExp(`^${path.replaceAll('.', '\\.').replace(/\{[a-z]+\}/g, '[^/]+')}$`),
}));

const operationAt = (method: string, pathname: string): Operation | undefined => {
  const found = patterns.find(({ pattern }) => pattern.test(pathname));
  return found && contract.paths[found.path]?.[method === 'HEAD' ? 'get' : method.toLowerCase()];
};

const PROBLEM = { $ref: '#/components/schemas/Problem' };

/** Checks a response against the document. @throws Error the document does not describe it */
export const assertDescribed = (
  method: string,
  url: string,
  { status, headers, text }: { readonly status: number; readonly headers: Headers; readonly text: string },
): void => {
  const { pathname } = new URL(url);
  const what = `${method} ${pathname} ${status}`;
  const type = (headers.get('content-type') ?? '').split(';', 1)[0] as string;
  if (type === 'application/problem+json' && text !== '') assertFits(what, PROBLEM, JSON.parse(text));
  const operation = operationAt(method, pathname);
  // an unknown path has no operation; its problem was checked above
  if (!operation) return;
  // a plugin may refuse any command with any code, and no read
  if (method === 'GET' && type === 'application/problem+json') {
    const { code } = JSON.parse(text) as { readonly code: string };
    const codes = operation.responses[status]?.description.split(', ') ?? [];
    if (!codes.includes(code)) throw new Error(`${what} has the code ${code}, not one of ${codes.join()}`);
  }
  const { content } = operation.responses[status] ?? (operation.responses.default as Response);
  if (content === undefined) {
    if (text !== '') throw new Error(`${what} has a body`);
    return;
  }
  const media = content[type];
  if (!media) throw new Error(`${what} is ${type}, not one of ${Object.keys(content).join()}`);
  if (text === '' || type === 'text/event-stream') return;
  const line = media.schema.contentSchema?.items;
  if (type.endsWith('json') && !line) assertFits(what, media.schema, JSON.parse(text));
  if (!line) return;
  for (const json of text.split('\n').slice(0, -1)) assertFits(what, line, JSON.parse(json));
};

/** Checks the fields of a frame, and returns its data. @throws Error the document does not describe it */
export const assertFrame = (url: string, fields: ReadonlyMap<string, string>): unknown => {
  const { pathname } = new URL(url);
  const media = operationAt('GET', pathname)?.responses[200]?.content?.['text/event-stream'];
  const schema = media?.schema.contentSchema?.items;
  if (!schema) throw new Error(`${pathname} is not a stream`);
  const retry = fields.get('retry');
  const frame = { ...Object.fromEntries(fields), ...(retry !== undefined && { retry: Number(retry) }) };
  assertFits(`A frame of ${pathname}`, schema, frame);
  const event = fields.get('event') ?? 'message';
  const { anyOf } = contract.components.schemas[schema.$ref.split('/').at(-1) as string] as Frame;
  const branch = anyOf.find(({ properties }) => properties.event.const === event);
  if (!branch) throw new Error(`The stream ${pathname} has no event ${event}`);
  const data = JSON.parse(fields.get('data') as string);
  assertFits(`The event ${event} of ${pathname}`, branch.properties.data.contentSchema, data);
  return data;
};
