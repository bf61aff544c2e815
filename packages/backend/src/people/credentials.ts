import { hash, randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type Logger, RuntimeError } from '@worker-runtime/core';
import { isObject, limitReached } from '@worker-runtime/core/plugin-kit';
import { isPermission, isSelection, type Permission, type Scope } from '@worker-runtime/core/scope';
import { writeFile } from 'atomically';
import type { Person } from './person.ts';

/** The part of what its person may do that an API token may do. */
export interface TokenLimit {
  readonly permissions: readonly Permission[];
  readonly workers: Scope['workers'];
}

/** The record of a session or of an API token. It has the digest of the secret, never the secret. */
export interface Kept {
  readonly id: string;
  /** `local` is the credential of programs on the same machine. It ends with the process, and is in no file. */
  readonly kind: 'session' | 'token' | 'local';
  /** The name that its person gave an API token; null for a session. */
  readonly label: string | null;
  readonly digest: string;
  readonly person: Person;
  readonly limit: TokenLimit | null;
  /** Times in milliseconds since 1970. */
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly usedAt: number;
}

/** The longest time of a session. */
export const SESSION_MS = 30 * 86_400_000;
const SESSION_IDLE_MS = 12 * 3_600_000;
/** The precision of `usedAt` in the file. */
const USE_SAVED_MS = 600_000;
const MAX_OF_PERSON = 100;
const MAX_KEPT = 10_000;

const digestOf = (secret: string): string => hash('sha256', secret);
const newSecret = (prefix: string): string => `${prefix}_${randomBytes(32).toString('base64url')}`;

/** A session or an API token in use. */
export class Credential {
  readonly kept: Kept;
  usedAt: number;
  #authority = newAuthority();

  constructor(kept: Kept) {
    this.kept = kept;
    this.usedAt = kept.usedAt;
  }

  /** Aborts when the streams of this credential must end. */
  get authority(): AbortSignal {
    return this.#authority.signal;
  }

  /** True until its time is over. */
  isValid(now: number): boolean {
    const { kind, expiresAt } = this.kept;
    return (
      (expiresAt === null || expiresAt > now) && (kind !== 'session' || this.usedAt + SESSION_IDLE_MS > now)
    );
  }

  /** Ends what is open. What begins later is decided again. */
  withdraw(): void {
    this.#authority.abort();
    this.#authority = newAuthority();
  }
}

const newAuthority = (): AbortController => {
  const authority = new AbortController();
  // each stream of a credential listens
  setMaxListeners(0, authority.signal);
  return authority;
};

/** All sessions and API tokens, in one file that only its owner can read. Without the file, people have to log in again. */
export class Credentials {
  readonly #path: string;
  readonly #log: Logger;
  readonly #byDigest = new Map<string, Credential>();
  #isSaving = false;
  #saved: Promise<void> = Promise.resolve();

  private constructor(path: string, log: Logger) {
    this.#path = path;
    this.#log = log;
  }

  /** @throws INVALID_REQUEST the file cannot be read, or has other content */
  static async open(path: string, log: Logger): Promise<Credentials> {
    const credentials = new Credentials(path, log);
    for (const kept of await keptIn(path)) credentials.#byDigest.set(kept.digest, new Credential(kept));
    return credentials;
  }

  /** Creates a session. Resolves when it is stored. The oldest session of a person with too many ends. */
  async createSession(
    person: Person,
    lifeMs: number,
  ): Promise<{ readonly secret: string; readonly credential: Credential }> {
    const own = this.#of(person, 'session');
    if (own.length >= MAX_OF_PERSON) this.#end(own[0] as Credential);
    return this.#create('session', null, person, null, Date.now() + lifeMs);
  }

  /** Creates an API token. Resolves when it is stored. @throws LIMIT_REACHED */
  async createToken(
    person: Person,
    label: string,
    limit: TokenLimit,
    expiresAt: number | null,
  ): Promise<{ readonly secret: string; readonly credential: Credential }> {
    if (this.#of(person, 'token').length >= MAX_OF_PERSON) throw limitReached('tokens', MAX_OF_PERSON);
    return this.#create('token', label, person, limit, expiresAt);
  }

  /** Creates a credential that ends with the process, and is in no file. */
  createLocal(person: Person): string {
    const secret = newSecret('local');
    const kept = newKept('local', null, digestOf(secret), person, null, null);
    this.#byDigest.set(kept.digest, new Credential(kept));
    return secret;
  }

  /** Returns the credential of a secret; null if it is unknown or its time is over. */
  find(secret: string): Credential | null {
    const credential = this.#byDigest.get(digestOf(secret));
    if (credential === undefined) return null;
    const now = Date.now();
    if (!credential.isValid(now)) {
      this.#end(credential);
      void this.#save();
      return null;
    }
    if (now - credential.usedAt > USE_SAVED_MS) {
      credential.usedAt = now;
      void this.#save();
    }
    return credential;
  }

  /** Lists the valid API tokens of a person. */
  tokensOf(person: Person): readonly Kept[] {
    return this.#validOf(person, 'token');
  }

  /** Lists the valid sessions of a person, the newest first. */
  sessionsOf(person: Person): readonly Kept[] {
    return this.#validOf(person, 'session').toReversed();
  }

  /** Ends a credential and everything that it has opened. Resolves when that is stored. */
  async end(credential: Credential): Promise<void> {
    this.#end(credential);
    await this.#save();
  }

  /** Ends an API token of a person. Returns false if there is none with this id. */
  async endToken(person: Person, id: string): Promise<boolean> {
    const found = this.#of(person, 'token').find(({ kept }) => kept.id === id);
    if (found === undefined) return false;
    await this.end(found);
    return true;
  }

  /** Ends a session of a person. Returns false if there is none with this id. */
  async endSession(person: Person, id: string): Promise<boolean> {
    const found = this.#of(person, 'session').find(({ kept }) => kept.id === id);
    if (found === undefined) return false;
    await this.end(found);
    return true;
  }

  /** Ends all sessions of the person of a credential, except for this one. Resolves when that is stored. */
  async endOtherSessions(current: Credential): Promise<void> {
    for (const one of this.#of(current.kept.person, 'session')) if (one !== current) this.#end(one);
    await this.#save();
  }

  /** Makes every credential begin again, because what people may do has changed. */
  withdrawAll(): void {
    for (const credential of this.#byDigest.values()) credential.withdraw();
  }

  /** Resolves when everything is stored. */
  async close(): Promise<void> {
    await this.#saved;
  }

  #of({ name }: Person, kind: Kept['kind']): readonly Credential[] {
    return [...this.#byDigest.values()].filter(({ kept }) => kept.kind === kind && kept.person.name === name);
  }

  #validOf(person: Person, kind: Kept['kind']): readonly Kept[] {
    const now = Date.now();
    return this.#of(person, kind)
      .filter((one) => one.isValid(now))
      .map(({ kept, usedAt }) => ({ ...kept, usedAt }));
  }

  #end(credential: Credential): void {
    this.#byDigest.delete(credential.kept.digest);
    credential.withdraw();
  }

  async #create(
    kind: Kept['kind'],
    label: string | null,
    person: Person,
    limit: TokenLimit | null,
    expiresAt: number | null,
  ): Promise<{ readonly secret: string; readonly credential: Credential }> {
    const now = Date.now();
    for (const one of this.#byDigest.values()) if (!one.isValid(now)) this.#end(one);
    if (this.#byDigest.size >= MAX_KEPT) throw limitReached('credentials', MAX_KEPT);
    const secret = newSecret(kind);
    const credential = new Credential(newKept(kind, label, digestOf(secret), person, limit, expiresAt));
    this.#byDigest.set(credential.kept.digest, credential);
    try {
      await this.#save();
    } catch (error) {
      this.#end(credential);
      throw error;
    }
    return { secret, credential };
  }

  /** Stores all credentials. Calls during a write share the next one. */
  #save(): Promise<void> {
    if (this.#isSaving) return this.#saved;
    this.#isSaving = true;
    this.#saved = this.#saved
      .catch(() => {})
      .then(async () => {
        this.#isSaving = false;
        const all = [...this.#byDigest.values()].filter(({ kept }) => kept.kind !== 'local');
        const text = JSON.stringify({
          version: 1,
          credentials: all.map(({ kept, usedAt }) => ({ ...kept, usedAt })),
        });
        await writeFile(this.#path, `${text}\n`, { mode: 0o600 });
      });
    this.#saved.catch((error: unknown) =>
      this.#log.error({ err: RuntimeError.from(error) }, 'the sessions and tokens cannot be stored'),
    );
    return this.#saved.catch((cause: unknown) => {
      throw new RuntimeError('STORE_UNAVAILABLE', 'The sessions and tokens cannot be stored', { cause });
    });
  }
}

const newKept = (
  kind: Kept['kind'],
  label: string | null,
  digest: string,
  person: Person,
  limit: TokenLimit | null,
  expiresAt: number | null,
): Kept => {
  const now = Date.now();
  const id = randomBytes(9).toString('base64url');
  return { id, kind, label, digest, person, limit, createdAt: now, expiresAt, usedAt: now };
};

const isTime = (value: unknown): boolean => Number.isSafeInteger(value);

const isKept = (value: unknown): value is Kept => {
  if (!isObject(value)) return false;
  const { id, kind, label, digest, person, limit, createdAt, expiresAt, usedAt } = value;
  const { name, groups } = Object(person) as Partial<Person>;
  const { permissions, workers } = Object(limit) as Partial<TokenLimit>;
  return (
    typeof id === 'string' &&
    (kind === 'session' || kind === 'token') &&
    (label === null || typeof label === 'string') &&
    typeof digest === 'string' &&
    typeof name === 'string' &&
    Array.isArray(groups) &&
    (limit === null ||
      (Array.isArray(permissions) && permissions.every(isPermission) && isSelection(workers))) &&
    isTime(createdAt) &&
    isTime(usedAt) &&
    (expiresAt === null || isTime(expiresAt))
  );
};

/** Reads what is kept; nothing if there is no file yet. */
const keptIn = async (path: string): Promise<readonly Kept[]> => {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return [];
    throw new RuntimeError('INVALID_REQUEST', `The file of sessions and tokens cannot be read: ${path}`, {
      cause,
    });
  }
  try {
    const { version, credentials } = JSON.parse(text) as {
      readonly version: unknown;
      readonly credentials: unknown;
    };
    if (version === 1 && Array.isArray(credentials) && credentials.every(isKept)) return credentials;
  } catch {
    // the error below is also for text that is not JSON
  }
  throw new RuntimeError(
    'INVALID_REQUEST',
    `The file of sessions and tokens is not valid: ${path}; without it, people log in again`,
  );
};
