import { type Cursor, RuntimeError } from '@worker-runtime/core';
import { type OptionReader, oneOf, optional } from '@worker-runtime/core/plugin-kit';
import type { ClientFrame } from './wire.ts';

const WORKER_ID_CHARS = 128;

const workerId: OptionReader<string> = (value, refuse) =>
  typeof value === 'string' && value !== '' && value.length <= WORKER_ID_CHARS
    ? value
    : refuse('must be the id of a Worker');

const position: OptionReader<Cursor | null> = (value, refuse) =>
  value === null || typeof value === 'string' ? value : refuse('must be a cursor, "start" or null');

const flag: OptionReader<boolean> = (value, refuse) =>
  typeof value === 'boolean' ? value : refuse('must be true or false');

type Op = ClientFrame['op'];
type Fields<T extends Op> = Omit<Extract<ClientFrame, { readonly op: T }>, 'op'>;

/** The readers of the fields of each operation. */
const READERS: {
  readonly [T in Op]: { readonly [K in keyof Fields<T>]-?: OptionReader<Fields<T>[K]> };
} = {
  subscribe: {
    worker: workerId,
    after: optional(position, undefined),
    deltas: optional(flag, undefined),
    cursors: optional(flag, undefined),
  },
  unsubscribe: { worker: workerId },
  watch: { after: optional(position, undefined), batch: optional(flag, undefined) },
  unwatch: {},
};

const readOp = oneOf(...(Object.keys(READERS) as Op[]));

/** The most characters of an unknown field that an error repeats: the client chooses its length. */
const SHOWN_CHARS = 64;

const refuse = (pointer: string, message: string): never => {
  throw new RuntimeError('INVALID_REQUEST', 'The message is not valid', {
    details: { issues: [{ pointer, message }] },
  });
};

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return refuse('', 'must be JSON');
  }
};

/** Reads a message of a client. @throws INVALID_REQUEST with a JSON pointer to the invalid field */
export const clientFrameOf = (text: string): ClientFrame => {
  const value = parse(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return refuse('', 'must be an object');
  const { op, ...fields } = value as Readonly<Record<string, unknown>>;
  const readers = READERS[readOp(op, (mismatch) => refuse('/op', mismatch))];
  const unknown = Object.keys(fields).find((name) => !Object.hasOwn(readers, name));
  if (unknown !== undefined) return refuse(`/${unknown.slice(0, SHOWN_CHARS)}`, 'is unknown');
  for (const [name, read] of Object.entries<OptionReader<unknown>>(readers))
    read(fields[name], (mismatch) => refuse(`/${name}`, mismatch));
  return value as ClientFrame;
};
