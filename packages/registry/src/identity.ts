import { randomUUID } from 'node:crypto';
import { access, link, open, rm } from 'node:fs/promises';
import { RuntimeError } from '@worker-runtime/core';
import { ownValue, readOwnedFile } from '@worker-runtime/core/plugin-kit';
import { ALLOWANCE_HEADER, type Authority, type Labels, type Scope } from '@worker-runtime/core/scope';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose';

/** The lifetime of a signed token, in seconds. */
const LIFE_S = 60;
/** The time after which a stream has to resume with a new token, in seconds. */
const STREAM_S = 3_600;
/** A token is used for calls until this age. */
const REUSE_MS = 20_000;
/** The number of tokens that are kept for reuse. */
const KEPT_TOKENS = 1_000;

type SigningKey = Parameters<SignJWT['sign']>[0];

/** A caller of a registry, as the transport knows it. */
export interface Caller {
  /** Its name, which the events of its commands have as actor; null if the transport does not identify its callers. */
  readonly name: string | null;
  readonly scope: Scope;
  /** The names of the runtimes that exist for it. Default `*`: all. */
  readonly runtimes?: '*' | readonly string[];
}

const refuse = (path: string, message: string, cause?: unknown): RuntimeError =>
  new RuntimeError('INVALID_REQUEST', `The key file ${path} ${message}`, { cause });

/** The private key with which a registry signs the scope of each caller, and the name under which runtimes know it. */
export class Identity {
  readonly issuer: string;
  readonly #key: SigningKey;
  readonly #publicJwk: JWK;
  readonly #labels: Labels;
  readonly #tokens = new Map<string, { readonly token: Promise<string>; readonly madeAt: number }>();

  private constructor(issuer: string, key: SigningKey, publicJwk: JWK, labels: Labels = {}) {
    this.issuer = issuer;
    this.#key = key;
    this.#publicJwk = publicJwk;
    this.#labels = labels;
  }

  /**
   * Reads a key file, or creates it with a new key if there is none. Only its owner may have access to it.
   * @throws INVALID_REQUEST the file cannot be read or created, other users have access to it, or it is not a private key
   */
  static async at(path: string, issuer: string): Promise<Identity> {
    if (issuer.length === 0 || issuer.length > 256)
      throw new RuntimeError('INVALID_REQUEST', 'The name of an issuer must have 1 to 256 characters');
    if (!(await exists(path))) await createKeyFile(path);
    const jwk = await readKeyFile(path);
    const { kty, crv, x, kid } = jwk;
    try {
      const key = (await importJWK(jwk, 'EdDSA')) as SigningKey;
      return new Identity(issuer, key, { kty, crv, x, kid } as JWK);
    } catch (error) {
      throw refuse(path, 'is not a valid private key', error);
    }
  }

  /** The entry of this identity for the file of issuers of a runtime. */
  get entry(): { readonly issuer: string; readonly keys: readonly JWK[] } {
    return { issuer: this.issuer, keys: [this.#publicJwk] };
  }

  /**
   * Returns an identity that signs for a part of the Workers: those with these labels, which new Workers get. Several registries, such
   * as those of workspaces, then share a runtime, and the runtime keeps their Workers apart.
   */
  within(labels: Labels): Identity {
    return new Identity(this.issuer, this.#key, this.#publicJwk, { ...this.#labels, ...labels });
  }

  /** Returns a token for a caller, which only this runtime accepts. It is valid for at least 40 s. */
  sign(runtimeId: string, { name, scope: whole }: Caller): Promise<string> {
    const scope = partOf(whole, this.#labels);
    const key = JSON.stringify([runtimeId, name, scope]);
    const kept = this.#tokens.get(key);
    const now = Date.now();
    // a clock that was set back must not make a token last longer
    if (kept && now >= kept.madeAt && now - kept.madeAt < REUSE_MS) return kept.token;
    this.#tokens.delete(key);
    const token = this.#sign(runtimeId, name ?? this.issuer, scope, Math.floor(now / 1_000));
    this.#tokens.set(key, { token, madeAt: now });
    // the oldest one comes first
    if (this.#tokens.size > KEPT_TOKENS) this.#tokens.delete(this.#tokens.keys().next().value as string);
    return token;
  }

  async #sign(aud: string, sub: string, scope: Scope, iat: number): Promise<string> {
    const claims: Authority = {
      iss: this.issuer,
      aud,
      sub,
      iat,
      exp: iat + LIFE_S,
      streamExp: iat + STREAM_S,
      scope,
    };
    const header = { alg: 'EdDSA', typ: 'wr+jwt', kid: this.#publicJwk.kid as string };
    const token = new SignJWT({ ...claims });
    if (scope.allowance === undefined) return token.setProtectedHeader(header).sign(this.#key);
    return token
      .setProtectedHeader({ ...header, crit: [ALLOWANCE_HEADER], [ALLOWANCE_HEADER]: true })
      .sign(this.#key, { crit: { [ALLOWANCE_HEADER]: true } });
  }
}

/** Returns the part of a scope that has these labels. */
const partOf = (scope: Scope, labels: Labels): Scope => {
  const fits = (selector: Labels): boolean =>
    Object.entries(labels).every(([name, value]) => (ownValue(selector, name) ?? value) === value);
  if (Object.keys(labels).length === 0) return scope;
  const { workers, stamp } = scope;
  const selectors = workers === '*' ? [{}] : workers.filter(fits);
  return {
    ...scope,
    workers: selectors.map((selector) => ({ ...selector, ...labels })),
    stamp: { ...stamp, ...labels },
  };
};

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/**
 * Creates the file, unless there is one. It gets its name when it is complete: another process that starts at the same moment
 * finds the whole key, or none and creates its own, of which only the first gets the name.
 */
const createKeyFile = async (path: string): Promise<void> => {
  const { privateKey } = await generateKeyPair('EdDSA', { extractable: true });
  const jwk = await exportJWK(privateKey);
  const kid = (await calculateJwkThumbprint(jwk)).slice(0, 16);
  const unnamed = `${path}.${randomUUID()}`;
  try {
    const file = await open(unnamed, 'wx', 0o600);
    try {
      await file.writeFile(`${JSON.stringify({ ...jwk, kid })}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    // a link does not replace a file, as a rename does
    await link(unnamed, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw refuse(path, 'cannot be created', error);
  } finally {
    await rm(unnamed, { force: true });
  }
};

const readKeyFile = async (path: string): Promise<JWK> => {
  const text = await readOwnedFile(path, 'access', (message) => refuse(path, message));
  let jwk: JWK;
  try {
    jwk = JSON.parse(text) as JWK;
  } catch {
    // without the parser's error, which quotes the text
    throw refuse(path, 'is not valid JSON');
  }
  const { kty, crv, d, x, kid } = Object(jwk) as JWK;
  if (kty !== 'OKP' || crv !== 'Ed25519' || ![d, x, kid].every((part) => typeof part === 'string'))
    throw refuse(path, 'must have a private JWK of the curve Ed25519 with a kid');
  return jwk;
};
