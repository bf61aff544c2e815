import { type ErrorCode, type JsonObject, type Limits, version } from '@worker-runtime/core';
import { BYTES_TYPE, PROBLEM_TYPE, STATUS_OF } from '@worker-runtime/core/plugin-kit';
import type { Embedder } from '../embedder.ts';
import type { DescribedRoute } from '../route-table.ts';
import { JSON_TYPE, NDJSON_TYPE, SSE_TYPE } from '../wire/accept.ts';
import { acrossSchemas } from './across.ts';
import type { Bounds } from './bounds.ts';
import { cursor } from './cursor.ts';
import { eventSchemas } from './events.ts';
import { historySchemas } from './history.ts';
import { arrayOf, type JsonSchema, ref, type Schemas, string } from './json-schema.ts';
import { type Operation, type SuccessAnswer, TAGS } from './operation.ts';
import { OPERATIONS } from './operations.ts';
import { PARAMETERS, type Parameter, RESPONSE_HEADERS } from './parameters.ts';
import { requestSchemas } from './request-bodies.ts';
import { runtimeSchemas } from './runtime.ts';
import { streamSchemas } from './streams.ts';
import { workerSchemas } from './worker.ts';

/** The errors that any operation may fail with. */
const COMMON_ERRORS: readonly ErrorCode[] = [
  'INVALID_REQUEST',
  'FORBIDDEN',
  'METHOD_NOT_ALLOWED',
  'NOT_ACCEPTABLE',
  'REQUEST_TIMEOUT',
  'PAYLOAD_TOO_LARGE',
  'UNSUPPORTED_MEDIA_TYPE',
  'LIMIT_REACHED',
  'HEADERS_TOO_LARGE',
  'INTERNAL',
  'RUNTIME_NOT_READY',
  'RUNTIME_STOPPING',
  'RUNTIME_MOVED',
  'STORE_UNAVAILABLE',
  'STORE_LOST',
];

/** The versions of OpenAPI in which the document is available. */
export const OPENAPI_VERSIONS = ['3.1', '3.2'] as const;
export type OpenApiVersion = (typeof OPENAPI_VERSIONS)[number];

const DIALECTS: Readonly<Record<OpenApiVersion, string>> = {
  '3.1': 'https://spec.openapis.org/oas/3.1/dialect/base',
  '3.2': 'https://spec.openapis.org/oas/3.2/dialect/2025-09-17',
};

const headersOf = (names: readonly (keyof typeof RESPONSE_HEADERS)[]): JsonSchema =>
  Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));

const pageOf = (item: string): JsonSchema => ({
  type: 'object',
  properties: {
    items: arrayOf(ref(item)),
    next: {
      anyOf: [cursor, { type: 'null' }],
      description: 'The cursor of the next page; null if there are no more items.',
    },
    asOf: {
      ...cursor,
      description:
        'The position of this page. A stream opened at this cursor delivers every later event exactly once.',
    },
    gaps: arrayOf(ref('Gap')),
  },
  required: ['items', 'next', 'asOf'],
});

/**
 * Returns the media type of a body that consists of many items. Before 3.2, OpenAPI has no schema for one item; the body
 * is then a text whose content is described.
 */
const sequenceOf = (type: string, item: string, openapi: OpenApiVersion): JsonSchema => ({
  [type]:
    openapi === '3.2'
      ? { itemSchema: ref(item) }
      : { schema: { type: 'string', contentMediaType: type, contentSchema: arrayOf(ref(item)) } },
});

/** The schema of bytes. `format` is how generators of clients recognize them. */
const BYTES: JsonSchema = { type: 'string', format: 'binary' };

const contentOf = (
  { json, page, frames, lines = page, bytes = [], text }: SuccessAnswer,
  openapi: OpenApiVersion,
): JsonSchema => ({
  ...(json !== undefined && { [JSON_TYPE]: { schema: ref(json) } }),
  ...(page !== undefined && { [JSON_TYPE]: { schema: pageOf(page) } }),
  ...(lines !== undefined && sequenceOf(NDJSON_TYPE, lines, openapi)),
  ...(frames !== undefined && sequenceOf(SSE_TYPE, frames, openapi)),
  ...Object.fromEntries(bytes.map((type) => [type, { schema: BYTES }])),
  ...(text !== undefined && { [text]: { schema: { type: 'string' } } }),
});

const successOf = (answer: SuccessAnswer, status: string, openapi: OpenApiVersion): JsonSchema => {
  const content = contentOf(answer, openapi);
  const paged = answer.page === undefined ? [] : (['Page-Next', 'Page-As-Of', 'Page-Gaps'] as const);
  const links = Object.entries(answer.links ?? {});
  return {
    description: status === '204' ? 'Success, without a body.' : 'Success.',
    headers: headersOf(['X-Request-Id', ...paged, ...(answer.headers ?? [])]),
    ...(Object.keys(content).length > 0 && { content }),
    ...(links.length > 0 && {
      links: Object.fromEntries(
        links.map(([operationId, parameters]) => [operationId, { operationId, parameters }]),
      ),
    }),
  };
};

const problemsOf = (codes: readonly ErrorCode[]): JsonSchema => {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of new Set(codes))
    byStatus.set(STATUS_OF[code], [...(byStatus.get(STATUS_OF[code]) ?? []), code]);
  const responses: Record<string, JsonSchema> = {};
  for (const [status, ofStatus] of [...byStatus].sort(([a], [b]) => a - b)) {
    const isLater = status === 429 || status === 503 || ofStatus.includes('WORKER_BUSY');
    responses[status] = {
      description: ofStatus.join(', '),
      headers: headersOf([
        'X-Request-Id',
        ...(isLater ? (['Retry-After'] as const) : []),
        ...(status === 401 ? (['WWW-Authenticate'] as const) : []),
      ]),
      content: { [PROBLEM_TYPE]: { schema: ref('Problem') } },
    };
  }
  return {
    ...responses,
    default: {
      description: 'Any other error, including those of plugins.',
      headers: headersOf(['X-Request-Id']),
      content: { [PROBLEM_TYPE]: { schema: ref('Problem') } },
    },
  };
};

const KNOWN: Readonly<Record<keyof typeof PARAMETERS, Readonly<Record<string, Parameter>>>> = PARAMETERS;

const parametersOf = (
  route: DescribedRoute,
  { headers = [], cursor: kind = 'log' }: Operation,
  bounds: Bounds,
): readonly JsonSchema[] => {
  const path = [...route.path.matchAll(/:([a-z]+)/g)].map(([, name]) => ['path', name as string] as const);
  const query = (route.query === 'any' ? [] : (route.query ?? [])).map((name) => ['query', name] as const);
  const header = headers.map((name) => ['header', name] as const);
  return [...path, ...query, ...header].map(([location, name]) => {
    const parameter = KNOWN[location][name];
    if (!parameter) throw new TypeError(`The parameter ${name} of ${route.path} has no schema`);
    const { description, example } = parameter;
    return {
      name,
      in: location,
      required: location === 'path',
      description,
      schema: parameter.schema(bounds, kind),
      ...(example !== undefined && { example }),
    };
  });
};

const PUBLIC: readonly JsonSchema[] = [];
/** A server without tokens identifies no caller. */
const IDENTIFIED: readonly JsonSchema[] = [{ bearer: [] }, {}];

const operationOf = (
  route: DescribedRoute,
  operation: Operation,
  bounds: Bounds,
  openapi: OpenApiVersion,
): JsonSchema => {
  const { request } = operation;
  const { permission } = route;
  const codes: readonly ErrorCode[] = [
    ...COMMON_ERRORS,
    ...(permission === 'public' ? [] : (['UNAUTHENTICATED'] as const)),
    ...operation.errors,
  ];
  return {
    operationId: operation.id,
    tags: [operation.tag],
    summary: operation.summary,
    description: operation.description,
    // not as a scope of `bearer`, which is for OAuth only
    ...(permission !== 'public' && { 'x-permission': permission }),
    security: permission === 'public' ? PUBLIC : IDENTIFIED,
    parameters: parametersOf(route, operation, bounds),
    ...(request && {
      requestBody: {
        required: request === 'bytes' || request.isRequired,
        content:
          request === 'bytes'
            ? // a wildcard would be exact, but generators of clients leave out an operation that has one
              { [BYTES_TYPE]: { schema: BYTES } }
            : { [JSON_TYPE]: { schema: ref(request.schema) } },
      },
    }),
    responses: {
      ...Object.fromEntries(
        Object.entries(operation.answers).map(([status, answer]) => [
          status,
          successOf(answer, status, openapi),
        ]),
      ),
      ...problemsOf(codes),
    },
  };
};

/**
 * Completes the operation of an embedder with what is the same for every route. A route that is public here may identify its
 * callers itself; then its operation has `security`.
 */
const embedderOperation = (
  { permission }: DescribedRoute,
  { responses, security = permission === 'public' ? PUBLIC : IDENTIFIED, ...operation }: JsonObject,
): JsonSchema => ({
  ...operation,
  ...(permission !== 'public' && { 'x-permission': permission }),
  security,
  responses: {
    ...(responses as JsonObject),
    ...problemsOf(security === PUBLIC ? COMMON_ERRORS : [...COMMON_ERRORS, 'UNAUTHENTICATED']),
  },
});

const schemasOf = (bounds: Bounds, isOfSeveral: boolean): Schemas => ({
  ...requestSchemas(bounds),
  ...workerSchemas,
  ...historySchemas,
  ...eventSchemas,
  ...runtimeSchemas,
  ...(isOfSeveral && acrossSchemas),
  ...streamSchemas,
  Contract: { type: 'object', description: 'An OpenAPI document.' },
});

/**
 * Builds the OpenAPI document; without limits, it has no bounds that depend on them. A route without an operation, or an
 * operation without a route, is a TypeError.
 */
export const openApiDocument = (
  routes: readonly DescribedRoute[],
  limits: Limits | null,
  openapi: OpenApiVersion = '3.1',
  { routes: added = [], schemas = {} }: Embedder = {},
): JsonSchema => {
  const own = new Map(added.map(({ method, path, operation }) => [`${method} ${path}`, operation]));
  const bounds: Bounds = limits ?? {};
  const paths: Record<string, Record<string, JsonSchema>> = {};
  const isOfSeveral = routes.some(
    ({ method, path }) => OPERATIONS[`${method} ${path}`]?.isOfSeveral === true,
  );
  const unserved = new Set(Object.keys(OPERATIONS).filter((key) => OPERATIONS[key]?.isOfSeveral !== true));
  for (const route of routes) {
    if (route.method === 'HEAD') continue;
    const key = `${route.method} ${route.path}`;
    const path = route.path.replace(/:([a-z]+)/g, '{$1}');
    const described = own.get(key);
    if (described !== undefined) {
      paths[path] = { ...paths[path], [route.method.toLowerCase()]: embedderOperation(route, described) };
      continue;
    }
    const operation = OPERATIONS[key];
    if (!operation) throw new TypeError(`The route ${key} has no operation`);
    unserved.delete(key);
    paths[path] = {
      ...paths[path],
      [route.method.toLowerCase()]: operationOf(route, operation, bounds, openapi),
    };
  }
  if (unserved.size > 0) throw new TypeError(`Nothing serves ${[...unserved].join(', ')}`);
  return {
    openapi: `${openapi}.0`,
    info: {
      title: 'worker-runtime',
      version,
      description:
        'Commands and observation of a runtime. A request with an unknown field is refused; a response may gain fields in later versions. Every GET is also available as HEAD.',
      contact: { name: 'worker-runtime', url: 'https://github.com/worker-runtime/worker-runtime/issues' },
      license: { name: 'MIT', identifier: 'MIT' },
    },
    jsonSchemaDialect: DIALECTS[openapi],
    servers: [{ url: '/', description: 'The server of this document.' }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description:
            'An access token with the permission that the operation names as `x-permission`. `operate` and `answer` include `observe`, and `admin` includes all. Not needed if the server has no tokens.',
        },
      },
      headers: Object.fromEntries(
        Object.entries(RESPONSE_HEADERS).map(([name, description]) => [
          name,
          { description, schema: string },
        ]),
      ),
      schemas: { ...schemasOf(bounds, isOfSeveral), ...schemas },
    },
  };
};
