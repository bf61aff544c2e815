import test from 'ava';
import { OPERATIONS } from '../packages/plugin-http/src/schema/operations.ts';
import { read } from './repository.ts';

/** The codes in the `@throws` of each method of `RuntimeApi`, those of another method that it names included. */
const thrown = (): ReadonlyMap<string, ReadonlySet<string>> => {
  const source = read('packages/core/src/contracts/runtime-api.ts');
  const methods = new Map<string, Set<string>>();
  const api = source.slice(source.indexOf('export interface RuntimeApi {'));
  for (const [, comment = '', method = ''] of api.matchAll(/\/\*\*([\s\S]*?)\*\/\s*(\w+)\(/g)) {
    const text = /@throws([\s\S]*?)(?=@example|$)/.exec(comment)?.[1] ?? '';
    const others = [...text.matchAll(/as `(\w+)`/g)].flatMap(([, other = '']) => [
      ...(methods.get(other) ?? []),
    ]);
    methods.set(method, new Set([...(text.match(/\b[A-Z]+(?:_[A-Z]+)+\b/g) ?? []), ...others]));
  }
  return methods;
};

/** The methods whose operation has another name. */
const METHOD_OF: Readonly<Record<string, string>> = {
  getRuntime: 'summary',
  listDiagnostics: 'diagnostics',
  readEvents: 'events',
  readTranscript: 'transcript',
  getOverview: 'overview',
  readUsage: 'usage',
};

/** The codes that the introduction of `RuntimeApi` or the document has for many operations at once, or that a server adds. */
const GENERAL = new Set([
  'RUNTIME_NOT_FOUND',
  'WORKER_NOT_FOUND',
  'WORKER_DAMAGED',
  'STORE_FULL',
  'PAYLOAD_TOO_LARGE',
  'LIMIT_REACHED',
]);
/** The limit of `Prefer: wait`. */
const OF_PREFER: Readonly<Record<string, string>> = {
  sendInput: 'LIMIT_TOO_LARGE',
  waitForRun: 'LIMIT_TOO_LARGE',
};

test('each operation of the document has the errors of its method', (t) => {
  const methods = thrown();
  const described = Object.values(OPERATIONS).flatMap((operation) =>
    operation === undefined ? [] : [operation],
  );
  const compared = described.flatMap(({ id, errors }) => {
    const method = METHOD_OF[id] ?? id;
    const codes = methods.get(method);
    if (codes === undefined) return [];
    const ofMethod = [...codes, ...(OF_PREFER[id] === undefined ? [] : [OF_PREFER[id]])];
    const specific = (all: readonly string[]) =>
      [...new Set(all)].filter((code) => !GENERAL.has(code)).toSorted();
    t.deepEqual(specific(errors), specific(ofMethod), id);
    return [method];
  });
  t.deepEqual(
    [...methods.keys()].filter((method) => !compared.includes(method)),
    ['observe'],
  );
});
