import { createHash } from 'node:crypto';
import type { JsonValue } from '@worker-runtime/core';
import fc from 'fast-check';
import type { ContractDocument, Operation } from './contract.ts';
import { GeneratedValues, type Node } from './generated-values.ts';

export interface HostileRequest {
  readonly method: string;
  /** The path with its query, as sent. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

const deep = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;
const hostileText = fc.oneof(
  fc.constantFrom(
    '..%2f..%2fetc%2fpasswd',
    '%00',
    '%',
    '%zz',
    '%e2%82',
    'constructor',
    '__proto__',
    'x'.repeat(300),
    "'--",
    '%3Cscript%3E',
    '%F0%9F%99%82',
    '*',
    '-1',
  ),
  fc.string({ maxLength: 20 }).map(encodeURIComponent),
);
const hostileHeader = fc.oneof(
  fc.constantFrom('', ',', '*', ';;;=', '"', 'x'.repeat(2_000), 'canary?', 'é'),
  fc.string({ unit: 'grapheme-ascii', maxLength: 30 }),
);

const oftenOr = <T, U>(usual: fc.Arbitrary<T>, other: fc.Arbitrary<U>, weight = 8) =>
  fc.oneof({ arbitrary: usual, weight }, { arbitrary: other, weight: 1 });

/** A file that requests often upload, read and refer to. */
const KNOWN_FILE = { type: 'file', digest: `sha256-${createHash('sha256').update('x').digest('hex')}` };

const ids: Readonly<Record<string, fc.Arbitrary<string>>> = {
  r: oftenOr(fc.constant('self'), fc.oneof(fc.constant('runtime_other'), hostileText), 20),
  w: oftenOr(fc.constantFrom('ada', 'bob', 'carl', 'nobody'), hostileText),
  q: oftenOr(fc.constant('request_x'), hostileText),
  run: oftenOr(fc.constant('run_x'), hostileText),
  name: oftenOr(fc.constantFrom('notes', 'nothing'), hostileText),
  digest: oftenOr(fc.constantFrom(`sha256-${'0'.repeat(64)}`, KNOWN_FILE.digest), hostileText),
};

const parameters: Readonly<Record<string, fc.Arbitrary<string>>> = {
  limit: fc.constantFrom('1', '3', '1000', '1001', '0', '1e3', '99999999999'),
  after: fc.constantFrom(
    'start',
    '0',
    '@1',
    '@99',
    'd.1',
    `request_${'0'.repeat(26)}`,
    'log_00000000000000000000000000.1.0.1.1',
    'w.1',
  ),
  before: fc.constantFrom('end', 'start', '@1', '@x'),
  types: fc.constantFrom('tool.called', 'tool.called,run.finished', ',', 'tool.eaten'),
  status: fc.constantFrom('idle', 'stopped', 'asleep'),
  label: fc.constantFrom('team=a', 'team', '=', 'a=b=c'),
  include: fc.constantFrom('overview', 'all', ''),
  days: fc.constantFrom('1', '31', '0', '32', 'all'),
  deltas: fc.constantFrom('0', '1', '2'),
};

const queryOf = (operation: Operation): fc.Arbitrary<string> => {
  const known = operation.parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => name);
  const one = (name: string) =>
    oftenOr(parameters[name] ?? hostileText, hostileText).map((value) => `${name}=${value}`);
  const pairs = [
    ...known.map(one),
    oftenOr(
      fc.constant(''),
      hostileText.map((text) => `${text}=1`),
    ),
  ];
  return fc.subarray(pairs, { maxLength: Math.min(3, pairs.length) }).chain((chosen) =>
    fc.tuple(...chosen).map((texts) => {
      const query = texts.filter((text) => text !== '').join('&');
      return query === '' ? '' : `?${query}`;
    }),
  );
};

const FILE_TYPES = ['image/png', 'text/html', 'image/svg+xml', 'text/plain; charset=latin1'].map((type) => ({
  'content-type': type,
}));
const jsonType = { 'content-type': 'application/json' };
const headersOf = (authorizations: readonly string[]) =>
  fc
    .record(
      {
        authorization: oftenOr(fc.constantFrom(...authorizations), hostileHeader, 20),
        accept: oftenOr(
          fc.constantFrom(
            'application/json',
            'application/x-ndjson',
            'text/event-stream',
            '*/*',
            'text/html',
          ),
          hostileHeader,
        ),
        prefer: oftenOr(fc.constantFrom('wait=0', 'wait=x', 'wait=999', 'respond-async'), hostileHeader),
        'idempotency-key': oftenOr(fc.constantFrom('k1', 'k2', 'k'.repeat(256)), hostileHeader),
        'last-event-id': oftenOr(fc.constantFrom('', 'start', 'nonsense'), hostileHeader),
        'x-request-id': hostileHeader,
        traceparent: hostileHeader,
        origin: fc.constantFrom('http://evil.example', 'null'),
      },
      { requiredKeys: ['authorization'] },
    )
    // a foreign Origin is always refused, so it is rare
    .chain((headers) => {
      const { origin: _, ...others } = headers;
      return oftenOr(fc.constant(others), fc.constant(headers), 30);
    });

const TOO_LARGE = `{"text":"${'x'.repeat(300_000)}"}`;
const rawBodies = fc.constantFrom(
  '',
  '{',
  'null',
  '[]',
  '"text"',
  '{"text":"a"}{}',
  deep(20_000),
  `{"text":"a","metadata":{"a":${deep(200)}}}`,
  '{"__proto__":{"text":"a"}}',
  '{"text":"\\ud800"}',
  TOO_LARGE,
  TOO_LARGE,
  TOO_LARGE,
);

const isFile = ({ requestBody }: Operation): boolean =>
  requestBody?.content['application/octet-stream'] !== undefined;

const bodyOf = (operation: Operation, { components: { schemas } }: ContractDocument) => {
  if (isFile(operation)) return fc.oneof(fc.constant('x'), fc.string({ unit: 'binary' }), rawBodies);
  const name = operation.requestBody?.content['application/json']?.schema.$ref.split('/').at(-1);
  if (name === undefined) return fc.constant(null);
  const node = schemas[name] as Node;
  const values = new GeneratedValues(schemas);
  const known = {
    engine: 'puppet',
    text: 'say hi',
    claims: [],
    bundle: null,
    profile: null,
    tools: [],
    parent: null,
  };
  // most of these pass validation, since they name existing engines and Workers
  const likely = values.validOf(node).map((value) =>
    Object.fromEntries(
      Object.entries({
        ...(name === 'CreateWorker' && { engine: 'puppet' }),
        ...(value as Readonly<Record<string, JsonValue>>),
      }).map(([key, found]) => [
        key,
        key in known ? (known as Readonly<Record<string, JsonValue>>)[key] : found,
      ]),
    ),
  );
  const texts = fc.constantFrom<JsonValue>(...['say hi', 'fail', 'ask', 'go'].map((text) => ({ text })), {
    parts: [KNOWN_FILE],
  });
  const json = fc
    .oneof(
      likely,
      values.validOf(node),
      values.mutatedOf(node),
      ...(name === 'WorkerInput' ? [texts, texts] : []),
    )
    .map((value) => JSON.stringify(value));
  return oftenOr(json, rawBodies);
};

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD', 'PROPFIND'];

const requestOf = (
  path: string,
  method: string,
  document: ContractDocument,
  authorizations: readonly string[],
) => {
  const operation = document.paths[path]?.[method] as Operation;
  const names = [...path.matchAll(/\{([a-z]+)\}/g)].map(([, name]) => name as string);
  return fc
    .tuple(
      fc.tuple(...names.map((name) => ids[name] as fc.Arbitrary<string>)),
      queryOf(operation),
      headersOf(authorizations),
      bodyOf(operation, document),
      oftenOr(fc.constant(method.toUpperCase()), fc.constantFrom(...METHODS), 12),
      isFile(operation)
        ? oftenOr(fc.constantFrom(...FILE_TYPES), fc.constantFrom({}, jsonType, { 'content-type': 'a' }))
        : oftenOr(fc.constant(jsonType), fc.constantFrom({}, { 'content-type': 'text/plain' }), 12),
    )
    .map(([chosen, query, headers, body, asked, type]): HostileRequest => {
      let at = 0;
      const filled = path.replace(/\{[a-z]+\}/g, () => chosen[at++] as string);
      const isBare = asked === 'GET' || asked === 'HEAD';
      return {
        method: asked,
        path: filled + query,
        headers: { ...headers, ...(body !== null && type) },
        body: isBare ? null : body,
      };
    });
};

/** Generates requests for all operations of a document: some valid, most with one error, some absurd. */
export const hostileRequests = (
  document: ContractDocument,
  authorizations: readonly string[],
): fc.Arbitrary<HostileRequest> =>
  fc.oneof(
    ...Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, operation]) => ({
        arbitrary: requestOf(path, method, document, authorizations),
        weight: operation.requestBody ? 4 : 1,
      })),
    ),
    fc.record({
      method: fc.constantFrom(...METHODS),
      path: hostileText.map((text) => `/${text}`),
      headers: headersOf(authorizations),
      body: fc.constant(null),
    }),
  );
