import { RuntimeError } from '@worker-runtime/core';
import { isPermission, type Permission } from './permission.ts';

/** An access token as it is configured: its digest, so that whoever reads the configuration cannot use it. */
export interface Token {
  /** Names the caller in the operator's log. */
  readonly name: string;
  /** 64 hex digits: the SHA-256 of the token. */
  readonly sha256: string;
  readonly permission: Permission;
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/;
const MOST = 1_000;

export const TOKEN_FILE = 'The file of http.tokenFile';

/** `where` is what the message calls the source; nothing of its content is repeated. */
export const refuseTokens = (where: string, message: string): RuntimeError =>
  new RuntimeError('INVALID_REQUEST', `${where} ${message}`, {
    details: { option: where === TOKEN_FILE ? 'tokenFile' : 'tokens' },
  });

const tokenOf = (value: unknown, where: string, index: number): Token => {
  const refuse = (message: string): never => {
    throw refuseTokens(where, `is not valid at /${index}: ${message}`);
  };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse('must be an object');
  const { name, sha256, permission, ...others } = value as Readonly<Record<string, unknown>>;
  if (Object.keys(others).length > 0) return refuse('has only name, sha256 and permission');
  if (typeof name !== 'string' || !NAME.test(name)) return refuse(`name must match ${NAME.source}`);
  if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/i.test(sha256))
    return refuse('sha256 must be the 64 hex digits of the digest, not the token');
  if (!isPermission(permission)) return refuse('permission must be observe, operate or admin');
  return { name, sha256: sha256.toLowerCase(), permission };
};

/**
 * A list of tokens from wherever it comes.
 * @throws INVALID_REQUEST not a list of tokens, an empty one, or one that names somebody twice
 */
export const readTokens = (value: unknown, where: string): readonly Token[] => {
  if (!Array.isArray(value)) throw refuseTokens(where, 'must be a list of { name, sha256, permission }');
  if (value.length === 0) throw refuseTokens(where, 'has no token in it');
  if (value.length > MOST) throw refuseTokens(where, `has more than ${MOST} tokens`);
  const tokens = value.map((entry, index) => tokenOf(entry, where, index));
  assertDistinct(tokens, where);
  return tokens;
};

/** @throws INVALID_REQUEST two of them share a name or a digest */
export const assertDistinct = (tokens: readonly Token[], where: string): void => {
  for (const key of ['name', 'sha256'] as const) {
    if (new Set(tokens.map((token) => token[key])).size < tokens.length)
      throw refuseTokens(where, `has two tokens with the same ${key}`);
  }
};

/** As `readTokens`, of JSON text. */
export const parseTokens = (text: string, where: string): readonly Token[] => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // the parser's own message quotes the text
    throw refuseTokens(where, 'is not valid JSON');
  }
  return readTokens(value, where);
};
