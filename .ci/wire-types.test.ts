import test from 'ava';
import { read, sources } from './repository.ts';

/** The types of core that a source names, however it imports them. */
const coreTypesIn = (source: string): string[] => {
  const imports = [...source.matchAll(/import type \{([^}]*)\} from '@worker-runtime\/core'/g)];
  const named = imports.flatMap(([, names = '']) => names.split(',').map((name) => name.trim()));
  const qualified = [...source.matchAll(/\bApi\.([A-Z]\w*)/g)].map(([, name = '']) => name);
  return [...named, ...qualified].filter((name) => name !== '');
};

/** The types whose fields a schema has to name, every one: the compiler holds `object<T>` to that. */
const described = new Set(
  sources('packages/plugin-http/src/schema')
    .flatMap((file) => [...read(file).matchAll(/\bobject<([^(]*)>\(/g)])
    .flatMap(([, type = '']) => type.match(/\b[A-Z]\w*/g) ?? []),
);

/** What is no body of its own: said in parameters and headers, or made of what is described. */
const BESIDE = new Set([
  ...['RuntimeApi', 'Cursor', 'ErrorCode', 'ErrorDetails', 'RuntimeError', 'JsonObject', 'JsonValue'],
  // parameters and headers of a request
  ...[
    'IdempotencyOptions',
    'ListWorkers',
    'ObserveOptions',
    'PageQuery',
    'TranscriptQuery',
    'WaitOptions',
    'WatchOptions',
  ],
  // pages, events and inputs are put together from described parts
  ...['Page', 'CreateReceipt', 'Observation', 'WatchItem', 'WorkerEvent', 'WorkerInput'],
]);

test('the client has no type of the wire that the OpenAPI document lacks', (t) => {
  const used = new Set(sources('packages/client/src').flatMap((file) => coreTypesIn(read(file))));
  t.true(used.size > 20, 'the types of the client are found');
  t.deepEqual([...used].filter((name) => !described.has(name) && !BESIDE.has(name)).sort(), []);
  t.deepEqual([...BESIDE].filter((name) => !used.has(name)).sort(), [], 'nothing is excused without need');
});

test('types are read from imports and from names that are qualified', (t) => {
  const source = "import type { A, B } from '@worker-runtime/core';\nlet x: Api.C<Api.D>;";
  t.deepEqual(coreTypesIn(source), ['A', 'B', 'C', 'D']);
});
