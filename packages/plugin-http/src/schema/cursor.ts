import { described, type JsonSchema } from './json-schema.ts';

/** A cursor in a response. */
export const cursor: JsonSchema = described(
  { type: 'string', pattern: '^[A-Za-z0-9._-]{1,128}$' },
  'An opaque position. It has the same meaning in pages, streams and receipts.',
);

/** The forms of the cursors that each list or stream reads from, without an anchor. `start` and `0` are the beginning. */
const FORMS = {
  log: '[A-Za-z0-9_]{1,64}(\\.[0-9a-z]{1,11}){2}(\\.[0-9a-z]{1,7}){2}|@(0|[1-9][0-9]{0,14})',
  watch: '[A-Za-z0-9_]{1,64}\\.w[0-9a-z]{1,11}',
  workers: 'log_[a-z0-9]{26}',
  requests: 'request_[a-z0-9]{26}',
  diagnostics: 'd\\.[1-9][0-9]{0,14}',
  bundles: 'sha256-[0-9a-f]{64}',
  acrossWorkers: 'runtime_[0-9a-z]{26}\\.(start|log_[a-z0-9]{26})',
  acrossRequests: 'runtime_[0-9a-z]{26}\\.(start|request_[a-z0-9]{26})',
  runtimes: 'n\\.[A-Za-z0-9][A-Za-z0-9._-]{0,63}',
} as const satisfies Readonly<Record<string, string>>;

/** The list or stream that a cursor belongs to. */
export type CursorKind = keyof typeof FORMS;

/** Returns the schema of a cursor in a request; `words` are further texts that are accepted. */
export const cursorOf = (kind: CursorKind, ...words: readonly string[]): JsonSchema => ({
  type: 'string',
  pattern: `^(${['start', '0', ...words, FORMS[kind]].join('|')})$`,
});
