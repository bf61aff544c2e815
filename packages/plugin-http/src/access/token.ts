import { RuntimeError } from '@worker-runtime/core';
import { isLabels, isSelection, type Labels, PERMISSIONS, type Scope } from '@worker-runtime/core/scope';
import { isPermissions, type Permissions } from './permission.ts';

/** The configuration of an access token. It has the digest only, so that a reader of the configuration cannot use it. */
export interface Token {
  /** The name of the caller in the operator's log, and in the events of its commands, which every reader of a log sees. */
  readonly name: string;
  /** The SHA-256 of the token, as 64 hex digits. */
  readonly sha256: string;
  /** One permission, or a list: `["operate", "answer"]`. */
  readonly permission: Permissions;
  /** The Workers that exist for the caller: those with all labels of one of these selectors. Default `*`: all. */
  readonly workers?: Scope['workers'];
  /** The labels that the Workers of the caller get at their creation, and keep. Default none. */
  readonly stamp?: Labels;
  /** The time at which the token ends, in ISO 8601. Streams that it has opened end then too. Default never. */
  readonly expiresAt?: string;
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/;
const MAX_TOKENS = 1_000;

export const TOKEN_FILE = 'The file of http.tokenFile';

/** Returns the error for a list of tokens. `source` names the list in the message, which repeats none of its content. */
export const refuseTokens = (source: string, message: string): RuntimeError =>
  new RuntimeError('INVALID_REQUEST', `${source} ${message}`, {
    details: { option: source === TOKEN_FILE ? 'tokenFile' : 'tokens' },
  });

const isTime = (value: unknown): value is string =>
  typeof value === 'string' &&
  /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?Z$/.test(value) &&
  !Number.isNaN(Date.parse(value));

const tokenOf = (value: unknown, source: string, index: number): Token => {
  const refuse = (message: string): never => {
    throw refuseTokens(source, `is not valid at /${index}: ${message}`);
  };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse('must be an object');
  const { name, sha256, permission, workers, stamp, expiresAt, ...others } = value as Readonly<
    Record<string, unknown>
  >;
  if (Object.keys(others).length > 0)
    return refuse('has a field other than name, sha256, permission, workers, stamp and expiresAt');
  if (typeof name !== 'string' || !NAME.test(name)) return refuse(`name must match ${NAME.source}`);
  if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/i.test(sha256))
    return refuse('sha256 must be the 64 hex digits of the digest, not the token itself');
  if (!isPermissions(permission))
    return refuse(`permission must be one or more of ${PERMISSIONS.join(', ')}`);
  if (workers !== undefined && !isSelection(workers))
    return refuse('workers must be "*", or a list of selectors, each an object of labels');
  if (stamp !== undefined && !isLabels(stamp)) return refuse('stamp must be an object of labels');
  if (expiresAt !== undefined && !isTime(expiresAt))
    return refuse('expiresAt must be a time in ISO 8601, UTC');
  return {
    name,
    sha256: sha256.toLowerCase(),
    permission,
    ...(workers !== undefined && { workers }),
    ...(stamp !== undefined && { stamp }),
    ...(expiresAt !== undefined && { expiresAt }),
  };
};

/**
 * Checks a list of tokens and returns it.
 * @throws INVALID_REQUEST not a list of tokens, an empty list, or a list with a duplicate name or digest
 */
export const readTokens = (value: unknown, source: string): readonly Token[] => {
  if (!Array.isArray(value)) throw refuseTokens(source, 'must be a list of { name, sha256, permission }');
  if (value.length === 0) throw refuseTokens(source, 'has no token');
  if (value.length > MAX_TOKENS) throw refuseTokens(source, `has more than ${MAX_TOKENS} tokens`);
  const tokens = value.map((entry, index) => tokenOf(entry, source, index));
  assertDistinct(tokens, source);
  return tokens;
};

/** @throws INVALID_REQUEST two tokens share a name or a digest */
export const assertDistinct = (tokens: readonly Token[], source: string): void => {
  for (const key of ['name', 'sha256'] as const) {
    if (new Set(tokens.map((token) => token[key])).size < tokens.length)
      throw refuseTokens(source, `has two tokens with the same ${key}`);
  }
};

/** Parses a JSON list of tokens and checks it. @throws INVALID_REQUEST as `readTokens`, or the text is not JSON */
export const parseTokens = (text: string, source: string): readonly Token[] => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // without the parser's message, which quotes the text
    throw refuseTokens(source, 'is not valid JSON');
  }
  return readTokens(value, source);
};
