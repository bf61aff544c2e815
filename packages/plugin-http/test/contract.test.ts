import { Validator } from '@seriousme/openapi-schema-validator';
import {
  bundleDigest,
  DEFAULT_LIMITS,
  type JsonValue,
  type Runtime,
  RuntimeError,
} from '@worker-runtime/core';
import type { ContractDocument, Parameter } from '@worker-runtime/test-http/contract';
import { GeneratedValues, type Node } from '@worker-runtime/test-http/generated-values';
import { SEED } from '@worker-runtime/test-http/seed';
import test from 'ava';
import fc from 'fast-check';
import { openApiDocument } from '../src/schema/document.ts';
import type { JsonSchema } from '../src/schema/json-schema.ts';
import { allRoutes } from './all-routes.ts';
import { contract } from './contract.ts';
import { isProblem, serve, serveAda } from './served.ts';

const { document } = contract;
const generated = new GeneratedValues(document.components.schemas);

/** Returns all schemas in a value, each with the path to it. */
const nodesIn = (value: unknown, at = ''): readonly (readonly [string, Node & JsonSchema])[] =>
  typeof value !== 'object' || value === null
    ? []
    : [
        [at, value as Node & JsonSchema],
        ...Object.entries(value).flatMap(([key, inner]) => nodesIn(inner, `${at}/${key}`)),
      ];

/** Returns the names of the components that a value refers to. A `discriminator` alone does not count. */
const referencesIn = (value: unknown): readonly string[] =>
  nodesIn(value).flatMap(([, { $ref }]) =>
    $ref?.startsWith('#/components/schemas/') ? [$ref.split('/').at(-1) as string] : [],
  );

const operationsOf = ({ paths }: ContractDocument) =>
  Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );

test('the document is valid OpenAPI 3.1, describes the served routes, and has no unused or missing schemas', async (t) => {
  const { call, runtime } = await serve(t, { limits: { labels: 7, pageItems: 50 } });
  const { body, headers } = await call('/openapi.json');
  t.regex(headers.get('content-type') ?? '', /^application\/json/);
  const validator = new Validator();
  const { valid, errors } = await validator.validate(structuredClone(body));
  t.true(valid, JSON.stringify(errors));
  t.is(validator.version, '3.1');
  t.deepEqual(body, JSON.parse(JSON.stringify(openApiDocument(allRoutes(), runtime.limits))));
  t.is(body.components.schemas.CreateWorker.properties.labels.maxProperties, 7);

  const used = new Set(referencesIn(document));
  for (const name of Object.keys(document.components.schemas)) t.true(used.delete(name), `${name} is unused`);
  t.deepEqual([...used], []);
  const ids = Object.values(document.paths).flatMap((path) =>
    Object.values(path).map(({ operationId }) => operationId),
  );
  t.is(new Set(ids).size, ids.length);
  for (const schema of Object.values(document.components.schemas))
    t.notThrows(() => contract.validatorOf(schema));
});

test('version=3.2 is the same document, with a schema for the items of streams', async (t) => {
  const { call } = await serve(t);
  const { body } = await call('/openapi.json?version=3.2');
  const validator = new Validator();
  const { valid, errors } = await validator.validate(structuredClone(body));
  t.true(valid, JSON.stringify(errors));
  t.is(validator.version, '3.2');
  const old = (await call('/openapi.json?version=3.1')).body;
  t.deepEqual(old, (await call('/openapi.json')).body);
  t.deepEqual(body.components, old.components);
  let sequences = 0;
  for (const { path, method, operation } of operationsOf(old)) {
    for (const [status, { content = {} }] of Object.entries(operation.responses)) {
      for (const [type, media] of Object.entries(content)) {
        const newer = body.paths[path][method].responses[status].content[type];
        const items = media.schema.contentSchema?.items;
        if (items) sequences += 1;
        t.deepEqual(newer, items ? { itemSchema: items } : media);
      }
    }
  }
  t.is(sequences, 11);
  isProblem(t, await call('/openapi.json?version=3.0'), 400, 'INVALID_REQUEST');
});

test('linters and generators of clients find what they need', (t) => {
  const { servers, info } = document as unknown as Readonly<Record<string, JsonSchema>>;
  t.deepEqual(Object.values(servers ?? {}).length, 1);
  t.deepEqual(Object.keys(info ?? {}), ['title', 'version', 'description', 'contact', 'license']);
  const tags = document.tags.map(({ name }) => name);
  for (const { operation } of operationsOf(document)) {
    const { operationId, description, tags: used, security } = operation;
    t.true(description.endsWith('.'), operationId);
    t.is(used.length, 1);
    t.true(tags.includes(used[0] as string));
    // scopes are for OAuth
    t.deepEqual(
      security.flatMap((needed) => Object.values(needed).flat()),
      [],
      operationId,
    );
  }
  for (const [at, node] of nodesIn(document)) {
    t.not(node.const, true, `${at}: generators write invalid code for it`);
    if (!Array.isArray(node.oneOf) || at.endsWith('/WorkerInput')) continue;
    const { propertyName, mapping } = node.discriminator as {
      readonly propertyName: string;
      readonly mapping: Readonly<Record<string, string>>;
    };
    t.deepEqual(
      node.oneOf.map(({ $ref }) => $ref),
      Object.values(mapping),
      at,
    );
    for (const [value, path] of Object.entries(mapping)) {
      const branch = contract.schemaOf(path.split('/').at(-1) as string);
      t.is(branch.properties?.[propertyName]?.const, value, `${at} ${value}`);
      t.true(branch.required?.includes(propertyName));
    }
  }
});

test('an event is one named component, and one of an unknown type is UnknownEvent', (t) => {
  const validatorOfComponent = (name: string) =>
    contract.validatorOf({ $ref: `#/components/schemas/${name}` });
  const [event, known, unknown, called] = [
    'WorkerEvent',
    'KnownEvent',
    'UnknownEvent',
    'ToolCalledEvent',
  ].map(validatorOfComponent);
  const lineOf = (type: string, data: object) => ({
    seq: 1,
    time: '2026-01-01T00:00:00.000Z',
    worker: 'ada',
    type,
    data,
  });
  const fits = (value: object) => [event, known, unknown, called].map((validate) => validate?.(value));
  t.deepEqual(fits(lineOf('tool.called', { call: 'c', name: 'n', input: 1 })), [true, true, false, true]);
  t.deepEqual(fits(lineOf('tool.called', { call: 1 })), [false, false, false, false]);
  t.deepEqual(fits(lineOf('run.paused', { by: 'x' })), [true, false, true, false]);
  const { mapping } = (contract.schemaOf('KnownEvent') as JsonSchema).discriminator as {
    readonly mapping: JsonSchema;
  };
  t.is(mapping['tool.called'], '#/components/schemas/ToolCalledEvent');
  t.is(mapping['usage.recorded'], '#/components/schemas/UsageRecordedEvent');
});

/** Returns the text that a runtime expression of a link refers to; null if there is none. */
const evaluated = (
  expression: string,
  path: Readonly<Record<string, string>>,
  body: JsonValue,
): string | null => {
  const [, name] = /^\$request\.path\.([a-z]+)$/.exec(expression) ?? [];
  if (name !== undefined) return path[name] ?? null;
  const [, pointer = ''] = /^\$response\.body#\/(.+)$/.exec(expression) ?? [];
  let found: JsonValue | undefined = body;
  for (const key of pointer.split('/')) found = (found as { readonly [key: string]: JsonValue })?.[key];
  return typeof found === 'string' ? found : null;
};

test('the links of each response lead to operations, with parameters that exist', async (t) => {
  const { call, runtime } = await serve(t);
  const known = new Map(operationsOf(document).map((found) => [found.operation.operationId, found]));
  const fill = (path: string, parameters: Readonly<Record<string, string | null>>): string =>
    path.replace(/\{([a-z]+)\}/g, (_, name: string) => encodeURIComponent(parameters[name] ?? ''));

  let followed = 0;
  /** Checks the links of an answer, calls those that only read, and returns the body of the answer. */
  const follow = async (id: string, path: Readonly<Record<string, string>>, body?: object) => {
    const source = known.get(id) as ReturnType<typeof operationsOf>[number];
    const method = source.method.toUpperCase();
    const answer = await call(fill(source.path, path), { method, ...(body && { body }) });
    const links = source.operation.responses[answer.status]?.links ?? {};
    t.true(Object.keys(links).length > 0, `${id} ${answer.status} has links`);
    for (const [name, { operationId, parameters }] of Object.entries(links)) {
      const target = known.get(operationId) as ReturnType<typeof operationsOf>[number];
      t.truthy(target, `${id} → ${name}`);
      const declared = target.operation.parameters.map((parameter) => parameter.name);
      const values = Object.fromEntries(
        Object.entries(parameters).map(([key, expression]) => [
          key,
          evaluated(expression, path, answer.body),
        ]),
      );
      for (const [key, value] of Object.entries(values)) {
        t.truthy(value, `${id} → ${name}: ${key}`);
        t.true(declared.includes(key), `${id} → ${name}: ${key}`);
      }
      for (const { name: key, in: location } of target.operation.parameters)
        if (location === 'path') t.true(key in values, `${id} → ${name}: ${key}`);
      if (target.method !== 'get') continue;
      const query = values.after ? `?after=${values.after}` : '';
      t.is((await call(fill(target.path, values) + query)).status, 200, `${id} → ${name}`);
      followed += 1;
    }
    return answer.body;
  };
  const r = 'self';
  await follow('createWorker', { r }, { engine: 'puppet', workerId: 'ada' });
  await follow('listWorkers', { r });
  const { runId } = await follow('sendInput', { r, w: 'ada' }, { text: 'ask' });
  t.is((await runtime.waitForRun('ada', runId)).waited, 'asks');
  await follow('listRequests', { r, w: 'ada' });
  await follow('stopWorker', { r, w: 'ada' });
  const bundle = { id: 'docs', profiles: {} };
  await follow('putBundle', { r, digest: bundleDigest(bundle) }, bundle);
  t.is(followed, 10);
});

test('a cursor of the documented form is read, and any other text is CURSOR_INVALID', async (t) => {
  const { url } = await serveAda(t, { limits: { pageItems: 5 } });
  const answerOf = async (path: string, headers: Readonly<Record<string, string>>): Promise<string> => {
    const response = await fetch(url(path), { headers });
    if (response.status !== 200) return ((await response.json()) as { readonly code: string }).code;
    await response.body?.cancel();
    return 'read';
  };
  const isCursor = (parameter: Parameter): boolean =>
    ['after', 'before', 'Last-Event-ID'].includes(parameter.name);
  let checked = 0;
  for (const { path, operation } of operationsOf(document)) {
    for (const parameter of operation.parameters.filter(isCursor)) {
      const pattern = new RegExp(parameter.schema.pattern ?? /missing/);
      const target = path.replace('{r}', 'self').replace('{w}', 'ada');
      const ask = (cursor: string): Promise<string> =>
        parameter.in === 'header'
          ? answerOf(target, { [parameter.name]: cursor })
          : answerOf(`${target}?${parameter.name}=${encodeURIComponent(cursor)}`, {});
      const texts = fc.oneof(
        fc.stringMatching(pattern),
        fc.stringMatching(/^[a-z]{1,7}[._-][0-9a-z._-]{0,40}$/),
        fc.constantFrom('start', '0', 'end', 'x', 'd.0', 'w.1', 'sha256-', 'log_', 'runtime_'),
      );
      for (const cursor of fc.sample(texts, { numRuns: 30, seed: SEED })) {
        const code = await ask(cursor);
        const about = `${operation.operationId} ${parameter.name} ${cursor}: ${code}`;
        if (pattern.test(cursor)) t.true(['read', 'CURSOR_FOREIGN', 'CURSOR_EXPIRED'].includes(code), about);
        else t.is(code, 'CURSOR_INVALID', about);
      }
      checked += 1;
    }
  }
  t.is(checked, 12);
});

test('each operation with a limit refuses one above the documented maximum, for every media type', async (t) => {
  const { call } = await serveAda(t, { limits: { pageItems: 50, pageItemsDefault: 20 } });
  let checked = 0;
  for (const { path, operation } of operationsOf(document)) {
    if (!operation.parameters.some(({ name }) => name === 'limit')) continue;
    const target = path.replace('{r}', 'self').replace('{w}', 'ada');
    for (const accept of Object.keys(operation.responses[200]?.content ?? {})) {
      const ask = (query: string) => call(`${target}?${query}`, { headers: { accept } });
      isProblem(t, await ask('limit=51'), 400, 'LIMIT_TOO_LARGE');
      isProblem(t, await ask('limit=0'), 400, 'INVALID_REQUEST');
      if (accept !== 'text/event-stream') t.is((await ask('limit=50')).status, 200);
      checked += 1;
    }
  }
  t.is(checked, 16);
});

test('the log takes all of its parameters for every media type, since the document cannot separate them', async (t) => {
  const { call, url } = await serveAda(t);
  const { asOf } = (await call('workers/ada/events?limit=1')).body;
  const query = 'after=start&limit=1&deltas=0';
  const read = async (accept: string, headers: Readonly<Record<string, string>> = {}): Promise<string> => {
    const response = await fetch(url(`workers/ada/events?${query}`), { headers: { accept, ...headers } });
    t.is(response.status, 200);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const { value } = await reader.read();
    await reader.cancel();
    return Buffer.from(value ?? []).toString();
  };
  t.is(JSON.parse(await read('application/json')).items.length, 1);
  t.is((await read('application/x-ndjson')).split('\n').length, 2);
  t.regex(await read('text/event-stream'), /^retry: /);
  // the position of the header takes precedence in a page, as in a stream
  const next = JSON.parse(await read('application/json', { 'last-event-id': asOf }));
  t.is(next.items[0].seq, 2);
});

test('a route without an operation, or an operation without a route, is an error', async (t) => {
  const routes = allRoutes();
  const odd = { method: 'GET', path: '/odd', permission: 'admin', query: [] } as const;
  t.throws(() => openApiDocument([...routes, odd], DEFAULT_LIMITS), { message: /GET \/odd/ });
  t.throws(() => openApiDocument(routes.slice(0, -3), DEFAULT_LIMITS), { message: /Nothing serves/ });
});

test('the HTML page loads no resources and runs no scripts', async (t) => {
  const { call } = await serve(t);
  const { text, headers } = await call('/docs');
  t.regex(headers.get('content-type') ?? '', /^text\/html/);
  t.regex(headers.get('content-security-policy') ?? '', /default-src 'none'/);
  t.notRegex(text, /<script|<link|<img|\ssrc=|https?:|@import|url\(/i);
  for (const operation of Object.values(document.paths).flatMap((path) => Object.values(path)))
    t.true(text.includes(`<section id="${operation.operationId}">`), operation.operationId);
  for (const name of Object.keys(document.components.schemas))
    t.true(text.includes(`<section id="${name}">`));
});

/** The command that takes the value of each schema. */
const commands: Readonly<Record<string, (runtime: Runtime, value: never) => Promise<unknown>>> = {
  CreateWorker: (runtime, value) => runtime.createWorker(value),
  ForkWorker: (runtime, value) => runtime.forkWorker('ada', value),
  UpdateWorker: (runtime, value) => runtime.updateWorker('ada', value),
  WorkerInput: (runtime, value) => runtime.sendInput('ada', value),
  CancelRun: (runtime, value) => runtime.cancelRun('ada', value),
  StopWorker: (runtime, value) => runtime.stopWorker('ada', value),
  ResumeWorker: (runtime, value) => runtime.resumeWorker('bob', value),
  Respond: (runtime, value) => runtime.respond('ada', 'request_x', value),
  Bundle: (runtime, value) => runtime.putBundle(`sha256-${'0'.repeat(64)}`, value),
};

/**
 * Returns the error by which the runtime rejects the shape of a value; null if it accepts the shape. A bundle has a code
 * of its own. A missing engine does not count: a profile or a plugin may set it.
 */
const refusalOf = async (runtime: Runtime, name: string, value: JsonValue): Promise<RuntimeError | null> => {
  try {
    await commands[name]?.(runtime, value as never);
    return null;
  } catch (cause) {
    const error = RuntimeError.from(cause);
    if (error.code === 'INTERNAL') throw cause;
    if ('engines' in error.details) return null;
    const isRefusal =
      error.code === 'INVALID_REQUEST' || (name === 'Bundle' && error.code === 'CONFIG_UNSUPPORTED');
    return isRefusal ? error : null;
  }
};

/** Valid values for other fields, since the runtime checks the resources of claims last. */
const others = {
  engine: { const: 'puppet' },
  parent: { const: 'bob' },
  bundle: { type: 'null' },
  profile: { type: 'null' },
  tools: { type: 'array', maxItems: 0 },
} as const;

const withOthers = (node: Node): Node => ({
  ...node,
  properties: { ...node.properties, ...others },
  required: ['engine'],
});

/** True if the value names a parent that does not exist: this is not an error of its shape. */
const hasUnknownParent = (value: JsonValue): boolean =>
  typeof value === 'object' &&
  value !== null &&
  'parent' in value &&
  value.parent !== null &&
  value.parent !== others.parent.const;

for (const name of Object.keys(commands)) {
  test(`the schema ${name} and the runtime accept the same values`, async (t) => {
    const { runtime } = await serveAda(t);
    await runtime.createWorker({ engine: 'puppet', workerId: 'bob' });
    const node = contract.schemaOf(name);
    const validate = contract.validatorOf({ $ref: `#/components/schemas/${name}` });
    await fc.assert(
      fc.asyncProperty(generated.validOf(node), async (value) => {
        t.true(validate(value), JSON.stringify(validate.errors));
        t.is(await refusalOf(runtime, name, value), null);
      }),
      { numRuns: 100, seed: SEED },
    );
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(
        generated.mutatedOf(name === 'CreateWorker' ? withOthers(node) : node),
        async (value) => {
          const isValid = validate(value);
          if (isValid && hasUnknownParent(value)) return;
          if (!isValid) refused += 1;
          const refusal = await refusalOf(runtime, name, value);
          t.is(refusal === null, isValid, `${JSON.stringify(value)} ${refusal?.message}`);
        },
      ),
      { numRuns: 300, seed: SEED },
    );
    t.true(refused > 50, `only ${refused} were not valid`);
  });
}

test('a response that the document does not describe fails a test', (t) => {
  const url = 'http://127.0.0.1/v1/runtimes/self/workers/ada/cancel';
  const answer = (body: object, type = 'application/json') => ({
    status: 200,
    headers: new Headers({ 'content-type': type }),
    text: JSON.stringify(body),
  });
  const fine = { changed: true, status: 'idle' };
  t.notThrows(() => contract.assertDescribed('POST', url, answer(fine)));
  t.throws(() => contract.assertDescribed('POST', url, answer({ ...fine, extra: 1 })), {
    message: /does not fit/,
  });
  t.throws(() => contract.assertDescribed('POST', url, answer({ changed: true })), {
    message: /does not fit/,
  });
  t.throws(() => contract.assertDescribed('POST', url, answer(fine, 'text/plain')), {
    message: /is text\/plain/,
  });
});
