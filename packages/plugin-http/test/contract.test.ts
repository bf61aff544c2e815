import { Validator } from '@seriousme/openapi-schema-validator';
import { DEFAULT_LIMITS, type JsonValue, type Runtime, RuntimeError } from '@worker-runtime/core';
import test from 'ava';
import fc from 'fast-check';
import { openApiDocument } from '../src/schema/document.ts';
import { allRoutes } from './all-routes.ts';
import { assertDescribed, contract, validatorOf } from './contract.ts';
import { mutatedOf, type Node, schemaOf, validOf } from './generated.ts';
import { SEED } from './seed.ts';
import { serve, serveAda } from './served.ts';

test('the document is valid OpenAPI 3.1, describes the served routes, and has no unused or missing schemas', async (t) => {
  const { call, runtime } = await serve(t, { limits: { labels: 7, pageItems: 50 } });
  const { body, headers } = await call('/openapi.json');
  t.regex(headers.get('content-type') ?? '', /^application\/json/);
  const validator = new Validator();
  const { valid, errors } = await validator.validate(structuredClone(body));
  t.true(valid, JSON.stringify(errors));
  t.is(validator.version, '3.1');
  t.deepEqual(body, JSON.parse(JSON.stringify(openApiDocument(await allRoutes(), runtime.limits))));
  t.is(body.components.schemas.CreateWorker.properties.labels.maxProperties, 7);

  const text = JSON.stringify(contract);
  const used = new Set([...text.matchAll(/#\/components\/schemas\/([A-Za-z]+)/g)].map(([, name]) => name));
  for (const name of Object.keys(contract.components.schemas)) t.true(used.delete(name), `${name} is unused`);
  t.deepEqual([...used], []);
  const ids = Object.values(contract.paths).flatMap((path) =>
    Object.values(path).map(({ operationId }) => operationId),
  );
  t.is(new Set(ids).size, ids.length);
  for (const schema of Object.values(contract.components.schemas)) t.notThrows(() => validatorOf(schema));
});

test('a route without an operation, or an operation without a route, is an error', async (t) => {
  const routes = await allRoutes();
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
  for (const operation of Object.values(contract.paths).flatMap((path) => Object.values(path)))
    t.true(text.includes(`<section id="${operation.operationId}">`), operation.operationId);
  for (const name of Object.keys(contract.components.schemas))
    t.true(text.includes(`<section id="${name}">`));
});

/** The command that takes the value of each schema. */
const commands: Readonly<Record<string, (runtime: Runtime, value: never) => Promise<unknown>>> = {
  CreateWorker: (runtime, value) => runtime.createWorker(value),
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
    const node = schemaOf(name);
    const validate = validatorOf({ $ref: `#/components/schemas/${name}` });
    await fc.assert(
      fc.asyncProperty(validOf(node), async (value) => {
        t.true(validate(value), JSON.stringify(validate.errors));
        t.is(await refusalOf(runtime, name, value), null);
      }),
      { numRuns: 100, seed: SEED },
    );
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(mutatedOf(name === 'CreateWorker' ? withOthers(node) : node), async (value) => {
        const isValid = validate(value);
        if (isValid && hasUnknownParent(value)) return;
        if (!isValid) refused += 1;
        const refusal = await refusalOf(runtime, name, value);
        t.is(refusal === null, isValid, `${JSON.stringify(value)} ${refusal?.message}`);
      }),
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
  t.notThrows(() => assertDescribed('POST', url, answer(fine)));
  t.throws(() => assertDescribed('POST', url, answer({ ...fine, extra: 1 })), { message: /does not fit/ });
  t.throws(() => assertDescribed('POST', url, answer({ changed: true })), { message: /does not fit/ });
  t.throws(() => assertDescribed('POST', url, answer(fine, 'text/plain')), { message: /is text\/plain/ });
});
