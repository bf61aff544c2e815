import { DEFAULT_LIMITS } from '@worker-runtime/core';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { openApiDocument } from '../src/schema/document.ts';
import { allRoutes } from './all-routes.ts';

interface Media {
  readonly schema: object;
  readonly 'x-line-schema'?: object;
  readonly 'x-event-schemas'?: Readonly<Record<string, object>>;
}
interface Response {
  readonly content?: Readonly<Record<string, Media>>;
}
export interface Operation {
  readonly operationId: string;
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly schema: object }[];
  readonly requestBody?: {
    readonly content: Readonly<Record<string, { readonly schema: { readonly $ref: string } }>>;
  };
  readonly responses: Readonly<Record<string, Response>>;
}
export interface Contract {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

/** The served document, with the default limits. */
export const contract = openApiDocument(await allRoutes(), DEFAULT_LIMITS) as unknown as Contract;

/** Closes a schema: the tests refuse unknown fields of responses, although clients must tolerate them. */
const strict = (schema: unknown): unknown => {
  if (Array.isArray(schema)) return schema.map(strict);
  if (typeof schema !== 'object' || schema === null) return schema;
  const inner = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, strict(value)]));
  return 'properties' in inner && !('additionalProperties' in inner)
    ? { ...inner, additionalProperties: false }
    : inner;
};

const ajv = new Ajv2020({ strict: false, allErrors: false });
ajv.addFormat('date-time', /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/);
const components = strict(contract.components);
const compiled = new Map<object, ValidateFunction>();

export const validatorOf = (schema: object): ValidateFunction => {
  let validate = compiled.get(schema);
  if (!validate) {
    validate = ajv.compile({ ...(strict(schema) as object), components });
    compiled.set(schema, validate);
  }
  return validate;
};

const assertFits = (what: string, schema: object, value: unknown): void => {
  const validate = validatorOf(schema);
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
  const { content } = operation.responses[status] ?? (operation.responses.default as Response);
  if (content === undefined) {
    if (text !== '') throw new Error(`${what} has a body`);
    return;
  }
  const media = content[type];
  if (!media) throw new Error(`${what} is ${type}, not one of ${Object.keys(content).join()}`);
  if (text === '' || type === 'text/event-stream') return;
  const line = media['x-line-schema'];
  if (type.endsWith('json') && !line) assertFits(what, media.schema, JSON.parse(text));
  if (!line) return;
  for (const json of text.split('\n').slice(0, -1)) assertFits(what, line, JSON.parse(json));
};

/** Checks an event of a stream against the document. @throws Error the document does not describe it */
export const assertFrame = (url: string, event: string, data: unknown): void => {
  const { pathname } = new URL(url);
  const media = operationAt('GET', pathname)?.responses[200]?.content?.['text/event-stream'];
  const schema = media?.['x-event-schemas']?.[event];
  if (!schema) throw new Error(`The stream ${pathname} has no event ${event}`);
  assertFits(`The event ${event} of ${pathname}`, schema, data);
};
