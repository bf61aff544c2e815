import { RuntimeError } from '@worker-runtime/core';
import {
  type OptionReader,
  oneOf,
  optional,
  readOptions,
  text,
  wholeNumber,
} from '@worker-runtime/core/plugin-kit';
import { type UrlSource, urlProblem } from './database/url.ts';

export interface PostgresStoreOptions {
  /** The URL of the database: `postgres://role:password@host/database?sslmode=verify-full`. */
  readonly url?: string;
  /**
   * A file with the URL, instead of `url`. It is read for each connection, so that a changed role or password needs no restart. While a
   * store or a membership of this process uses it, all connections lead to one host, port and database.
   */
  readonly urlFile?: string;
  /** The name of the Runtime in the database. One process at a time has it open. Default `default`. */
  readonly runtime?: string;
  /**
   * The behaviour if another process has the Runtime open. `wait` (the default): until that process has closed it or was silent
   * for `leaseMs`, and then take it over. `refuse`: fail with STORE_LOCKED.
   */
  readonly whenLocked?: 'wait' | 'refuse';
  /**
   * The claim of a cluster under which the Runtime is opened: its former owner is taken over at once, while the claim is the current one;
   * else it fails with STORE_LOCKED. A host of a cluster sets it.
   */
  readonly claim?: number;
  /** The silence of an owner after which another process takes over. The same for all processes. Default 5,000. */
  readonly leaseMs?: number;
  /**
   * The moment at which a commit is acknowledged. `commit` (the default): when it is synced here and on the synchronous
   * standbys, if there are any. `relaxed`: at once, so a crash of the server may lose the last commits, and leaves no holes.
   */
  readonly durability?: 'commit' | 'relaxed';
  /** The number of connections for reads. Four more serve writes, the lease, checkpoints and states of plugins. Default 4. */
  readonly readers?: number;
  /** How long the store waits for an answer of PostgreSQL before it takes another connection, and for a free one. Default 5,000. */
  readonly answerMs?: number;
  /** The time between checkpoints. Default 5,000. */
  readonly checkpointMs?: number;
  /** The bytes of lines that make a checkpoint earlier. Default 4 MiB. */
  readonly checkpointBytes?: number;
  /** The most bytes of lines that wait for a commit. Above it, commits fail with STORE_UNAVAILABLE. Default 64 MiB. */
  readonly queueBytes?: number;
  /** The time that closing may spend on the last checkpoint. Default 3,000. */
  readonly closingMs?: number;
}

/** The options with their defaults. */
export interface Settings extends Required<Omit<PostgresStoreOptions, 'url' | 'urlFile' | 'claim'>> {
  readonly claim: number | null;
  /** The source of the URL: one of the two. */
  readonly source: UrlSource;
}

const MEBIBYTE = 1_048_576;
const LONGEST_MS = 3_600_000;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

const runtimeName: OptionReader<string> = (value, refuse) =>
  typeof value === 'string' && NAME.test(value)
    ? value
    : refuse('must have 1 to 64 letters, digits, ".", "_" or "-", and begin with a letter or a digit');

const urlText: OptionReader<string> = (value, refuse) => {
  const problem = typeof value === 'string' ? urlProblem(value) : 'must be a string';
  return problem === null ? (value as string) : refuse(problem);
};

/** Reads the options. @throws INVALID_REQUEST an option is missing, unknown or not valid */
export const settingsOf = (options: unknown): Settings => {
  const { url, urlFile, ...others } = readOptions('postgres-store', options, {
    url: optional(urlText, null),
    urlFile: optional(text, null),
    runtime: optional(runtimeName, 'default'),
    claim: optional(wholeNumber(0, Number.MAX_SAFE_INTEGER), null),
    whenLocked: optional(oneOf('wait', 'refuse'), 'wait'),
    leaseMs: optional(wholeNumber(200, LONGEST_MS), 5_000),
    durability: optional(oneOf('commit', 'relaxed'), 'commit'),
    readers: optional(wholeNumber(1, 64), 4),
    answerMs: optional(wholeNumber(100, LONGEST_MS), 5_000),
    checkpointMs: optional(wholeNumber(100, LONGEST_MS), 5_000),
    checkpointBytes: optional(wholeNumber(4_096, 1_024 * MEBIBYTE), 4 * MEBIBYTE),
    queueBytes: optional(wholeNumber(4_096, 1_024 * MEBIBYTE), 64 * MEBIBYTE),
    closingMs: optional(wholeNumber(0, LONGEST_MS), 3_000),
  });
  return { source: sourceOf(url, urlFile), ...others };
};

/** @throws INVALID_REQUEST both are given, or none */
const sourceOf = (url: string | null, file: string | null): UrlSource => {
  if (url !== null && file === null) return { url };
  if (file !== null && url === null) return { file };
  throw new RuntimeError(
    'INVALID_REQUEST',
    'Give one of the options postgres-store.url and postgres-store.urlFile: the database of the store',
    { details: { option: 'url' } },
  );
};
