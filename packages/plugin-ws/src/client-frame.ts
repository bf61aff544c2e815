import { RuntimeError } from '@worker-runtime/core';
import type { ClientFrame } from './wire.ts';

const FIELDS: { readonly [K in ClientFrame['op']]: readonly string[] } = {
  subscribe: ['op', 'worker', 'after', 'deltas', 'cursors'],
  unsubscribe: ['op', 'worker'],
  watch: ['op', 'after'],
  unwatch: ['op'],
};

const isOp = (op: unknown): op is ClientFrame['op'] => typeof op === 'string' && Object.hasOwn(FIELDS, op);

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

/** Reads a message of a client. @throws INVALID_REQUEST with a pointer to what is wrong */
export const clientFrameOf = (text: string): ClientFrame => {
  const value = parse(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return refuse('', 'must be an object');
  const { op, worker, after, deltas, cursors } = value as Readonly<Record<string, unknown>>;
  if (!isOp(op)) return refuse('/op', `must be one of ${Object.keys(FIELDS).join(', ')}`);
  const stranger = Object.keys(value).find((name) => !FIELDS[op].includes(name));
  if (stranger !== undefined) return refuse(`/${stranger.slice(0, 64)}`, 'is not known');
  const hasWorker = op === 'subscribe' || op === 'unsubscribe';
  if (hasWorker && (typeof worker !== 'string' || worker === '' || worker.length > 128))
    return refuse('/worker', 'must be the id of a Worker');
  if (after !== undefined && after !== null && typeof after !== 'string')
    return refuse('/after', 'must be a cursor, "start" or null');
  if (deltas !== undefined && typeof deltas !== 'boolean') return refuse('/deltas', 'must be true or false');
  if (cursors !== undefined && typeof cursors !== 'boolean')
    return refuse('/cursors', 'must be true or false');
  return value as ClientFrame;
};
