import { RuntimeError } from '@worker-runtime/core';
import { readOwnedFile } from '@worker-runtime/core/plugin-kit';
import {
  ALLOWANCE_HEADER,
  type Authority,
  covers,
  isScope,
  PERMISSIONS,
  type Permission,
} from '@worker-runtime/core/scope';
import {
  createLocalJWKSet,
  decodeJwt,
  errors,
  importJWK,
  type JWK,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose';
import type { Caller } from './caller.ts';
import { isPermissions } from './permission.ts';
import { Withdrawal } from './withdrawal.ts';

/** An issuer of signed tokens. In the file it is `{ issuer, keys, permission }`, with public keys as JWKs. */
interface KnownIssuer {
  readonly name: string;
  /** Its keys by `kid`. During a rotation there are two. */
  readonly keys: JWTVerifyGetKey;
  /** The same keys, as they are in the file. */
  readonly jwks: readonly JWK[];
  /** Ends what its callers have opened. */
  readonly withdrawal: Withdrawal;
  /** The most that its tokens may permit. */
  readonly permissions: readonly Permission[];
}

/** The most seconds between the issue of a token and its end. */
const MAX_LIFE_S = 120;
/** The most seconds between the issue of a token and the end of its streams. */
const MAX_STREAM_S = 3_600;
/** The difference between the clocks of both sides that is allowed, in seconds. */
const CLOCK_TOLERANCE_S = 30;
/** The number of verified tokens that are kept. Each issuer uses one token for many requests. */
const KEPT_TOKENS = 1_000;
const MAX_ISSUERS = 100;
const MAX_KEYS = 8;

const refuseFile = (message: string): RuntimeError =>
  new RuntimeError('INVALID_REQUEST', `The file of http.issuerFile ${message}`, {
    details: { option: 'issuerFile' },
  });

const unauthenticated = (message: string, cause?: unknown): RuntimeError =>
  new RuntimeError('UNAUTHENTICATED', message, cause === undefined ? {} : { cause });

/** Verifies the signed tokens of issuers. A verification costs one check of a signature, and is kept until the token ends. */
export class Issuers {
  #known: ReadonlyMap<string, KnownIssuer>;
  readonly #verified = new Map<
    string,
    { readonly caller: Caller; readonly audience: string; readonly endsAt: number }
  >();

  constructor(known: readonly KnownIssuer[]) {
    this.#known = new Map(known.map((issuer) => [issuer.name, issuer]));
  }

  /** Hands over to issuers that replace these. What callers of an issuer have opened stays if it has all keys and permissions. */
  replaceBy(next: Issuers): void {
    const known = new Map(next.#known);
    for (const issuer of this.#known.values()) {
      const successor = known.get(issuer.name);
      if (successor !== undefined && hasAllOf(successor, issuer))
        known.set(issuer.name, { ...successor, withdrawal: issuer.withdrawal });
      else issuer.withdrawal.withdraw();
    }
    next.#known = known;
  }

  /**
   * Returns the caller of a token that is for one runtime, the audience. @throws UNAUTHENTICATED the token is not valid here and now
   */
  callerOf(token: string, audience: string): Caller | Promise<Caller> {
    const kept = this.#verified.get(token);
    if (kept === undefined) return this.#verify(token, audience);
    if (kept.audience !== audience) throw unauthenticated('The signed token is for another runtime');
    if (kept.endsAt > Date.now()) return kept.caller;
    this.#verified.delete(token);
    throw unauthenticated('The signed token has expired');
  }

  async #verify(token: string, audience: string): Promise<Caller> {
    const issuer = this.#issuerOf(token);
    const claims = await this.#claimsOf(token, issuer, audience);
    const { scope, sub: name } = claims;
    const caller: Caller = {
      name,
      scope: {
        ...scope,
        permissions: PERMISSIONS.filter(
          (permission) => covers(scope.permissions, permission) && covers(issuer.permissions, permission),
        ),
      },
      expiresAt: Math.min(claims.streamExp, claims.iat + MAX_STREAM_S) * 1_000,
      withdrawn: issuer.withdrawal.signal,
    };
    const endsAt = (claims.exp + CLOCK_TOLERANCE_S) * 1_000;
    this.#verified.set(token, { caller, audience, endsAt });
    // the oldest one comes first
    if (this.#verified.size > KEPT_TOKENS)
      this.#verified.delete(this.#verified.keys().next().value as string);
    return caller;
  }

  /** The issuer is read before the signature is checked: it only selects the keys. */
  #issuerOf(token: string): KnownIssuer {
    let issuer: KnownIssuer | undefined;
    try {
      issuer = this.#known.get(decodeJwt(token).iss ?? '');
    } catch (error) {
      throw refusalOf(error);
    }
    if (issuer === undefined)
      throw unauthenticated('The signed token is of an issuer that http.issuerFile does not list');
    return issuer;
  }

  async #claimsOf(token: string, { name, keys }: KnownIssuer, audience: string): Promise<Authority> {
    let payload: JWTPayload;
    try {
      ({ payload } = await jwtVerify(token, keys, {
        algorithms: ['EdDSA'],
        typ: 'wr+jwt',
        issuer: name,
        audience,
        clockTolerance: CLOCK_TOLERANCE_S,
        maxTokenAge: MAX_LIFE_S,
        requiredClaims: ['sub', 'exp', 'iat'],
        crit: { [ALLOWANCE_HEADER]: true },
      }));
    } catch (error) {
      throw refusalOf(error);
    }
    if (!isAuthority(payload))
      throw unauthenticated('The signed token has no scope that this version of the runtime can apply');
    return payload;
  }
}

const hasAllOf = (successor: KnownIssuer, issuer: KnownIssuer): boolean =>
  issuer.permissions.every((permission) => covers(successor.permissions, permission)) &&
  issuer.jwks.every((jwk) => successor.jwks.some((other) => other.kid === jwk.kid && other.x === jwk.x));

const isAuthority = (claims: JWTPayload): claims is JWTPayload & Authority =>
  typeof claims.sub === 'string' &&
  /^\P{Cc}{1,128}$/u.test(claims.sub) &&
  typeof claims.streamExp === 'number' &&
  Number.isFinite(claims.streamExp) &&
  typeof claims.aud === 'string' &&
  isScope(claims.scope);

/** Returns the error for a token that was refused. It says what to do about clocks, which are the usual cause. */
const refusalOf = (error: unknown): RuntimeError => {
  if (error instanceof errors.JWTExpired)
    return unauthenticated(
      'The signed token has expired, or the clocks of its issuer and of this server differ',
      error,
    );
  if (error instanceof errors.JWKSNoMatchingKey)
    return unauthenticated(
      'The signed token has a key that http.issuerFile does not list for its issuer',
      error,
    );
  if (error instanceof errors.JOSENotSupported)
    return unauthenticated(
      'The signed token has a form that this version of the runtime does not support: upgrade it',
      error,
    );
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'iat' || error.claim === 'nbf')
      return unauthenticated(
        'The signed token is from the future: set the clocks of its issuer and of this server',
        error,
      );
    if (error.claim === 'aud') return unauthenticated('The signed token is for another runtime', error);
  }
  return unauthenticated('The signed token is not valid', error);
};

/**
 * Reads the issuers of a file. It has public keys only, so others may read it, but not change it.
 * @throws INVALID_REQUEST the file cannot be read, is writable by other users, or has invalid content
 */
export const readIssuerFile = async (path: string): Promise<Issuers> => {
  const text = await readOwnedFile(path, 'write', refuseFile);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw refuseFile('is not valid JSON');
  }
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_ISSUERS)
    throw refuseFile(`must be a list of 1 to ${MAX_ISSUERS} issuers: { issuer, keys, permission }`);
  const issuers: KnownIssuer[] = [];
  for (const [index, entry] of value.entries()) issuers.push(await issuerOf(entry, index));
  if (new Set(issuers.map(({ name }) => name)).size < issuers.length)
    throw refuseFile('has two issuers with the same name: put both keys into one');
  return new Issuers(issuers);
};

const issuerOf = async (value: unknown, index: number): Promise<KnownIssuer> => {
  const refuse = (message: string): never => {
    throw refuseFile(`is not valid at /${index}: ${message}`);
  };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse('must be an object');
  const { issuer, keys, permission, ...others } = value as Readonly<Record<string, unknown>>;
  if (Object.keys(others).length > 0) return refuse('has a field other than issuer, keys and permission');
  if (typeof issuer !== 'string' || issuer.length === 0 || issuer.length > 256)
    return refuse('issuer must be a name of 1 to 256 characters');
  if (!isPermissions(permission))
    return refuse(`permission must be one or more of ${PERMISSIONS.join(', ')}`);
  if (!Array.isArray(keys) || keys.length === 0 || keys.length > MAX_KEYS)
    return refuse(`keys must be a list of 1 to ${MAX_KEYS} public keys`);
  const known: JWK[] = [];
  for (const [at, key] of keys.entries()) {
    const { kty, crv, kid, x, d } = Object(key) as Readonly<Record<string, unknown>>;
    if (d !== undefined) return refuse(`the key ${at} is a private key, which must stay with its issuer`);
    if (kty !== 'OKP' || crv !== 'Ed25519' || typeof x !== 'string' || typeof kid !== 'string')
      return refuse(`the key ${at} must be a JWK of the curve Ed25519 with kid and x`);
    if (known.some((other) => other.kid === kid)) return refuse('has two keys with the same kid');
    const jwk: JWK = { kty, crv, x, kid, alg: 'EdDSA' };
    try {
      await importJWK(jwk);
    } catch {
      return refuse(`the key ${at} is not a valid public key`);
    }
    known.push(jwk);
  }
  return {
    name: issuer,
    keys: createLocalJWKSet({ keys: known }),
    jwks: known,
    withdrawal: new Withdrawal(),
    permissions: [permission].flat(),
  };
};
