import test from 'ava';
import { read, sources } from './repository.ts';

/** Returns the types of core that a source names, by any kind of import. */
const coreTypesIn = (source: string): string[] => {
  const imports = [...source.matchAll(/import type \{([^}]*)\} from '@worker-runtime\/core'/g)];
  const named = imports.flatMap(([, names = '']) => names.split(',').map((name) => name.trim()));
  const qualified = [...source.matchAll(/\bApi\.([A-Z]\w*)/g)].map(([, name = '']) => name);
  return [...named, ...qualified].filter((name) => name !== '');
};

/** The types with a schema. The compiler checks that `object<T>` names every field of the type. */
const described = new Set(
  sources('packages/plugin-http/src/schema')
    .flatMap((file) => [...read(file).matchAll(/\bobject<([^(]*)>\(/g)])
    .flatMap(([, type = '']) => type.match(/\b[A-Z]\w*/g) ?? []),
);

/** Types without a schema: they are sent in parameters and headers, or consist of types that have one. */
const WITHOUT_SCHEMA = new Set([
  ...['RuntimeApi', 'Cursor', 'ErrorCode', 'ErrorDetails', 'RuntimeError', 'JsonObject', 'JsonValue'],
  // parameters and headers of a request
  ...[
    'EventQuery',
    'IdempotencyOptions',
    'ListWorkers',
    'ObserveOptions',
    'PageQuery',
    'TranscriptQuery',
    'WaitOptions',
    'WatchOptions',
  ],
  // pages, events and inputs consist of types with a schema
  ...['Page', 'CreateReceipt', 'Observation', 'WatchItem', 'WorkerEvent', 'WorkerInput'],
]);

test('the OpenAPI document describes every type that the client uses', (t) => {
  const used = new Set(sources('packages/client/src').flatMap((file) => coreTypesIn(read(file))));
  t.true(used.size > 20, 'the types of the client are found');
  t.deepEqual([...used].filter((name) => !described.has(name) && !WITHOUT_SCHEMA.has(name)).sort(), []);
  t.deepEqual([...WITHOUT_SCHEMA].filter((name) => !used.has(name)).sort(), [], 'each exception is needed');
});

test('types are read from imports and from qualified names', (t) => {
  const source = "import type { A, B } from '@worker-runtime/core';\nlet x: Api.C<Api.D>;";
  t.deepEqual(coreTypesIn(source), ['A', 'B', 'C', 'D']);
});
