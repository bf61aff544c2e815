import { type ErrorCode, RuntimeError } from '@worker-runtime/core';

const MIGRATE = 'run "worker-runtime postgres migrate"';

/** The answers of PostgreSQL that an operator can act on, by SQLSTATE. */
const BY_STATE: Readonly<Record<string, readonly [code: ErrorCode, message: string]>> = {
  '28000': [
    'STORE_UNAVAILABLE',
    'PostgreSQL refused the login: check the role of the URL, sslmode and pg_hba.conf',
  ],
  '28P01': [
    'STORE_UNAVAILABLE',
    'PostgreSQL refused the password: check the role and the password of the URL',
  ],
  '3D000': ['STORE_UNAVAILABLE', `The database does not exist: create it, then ${MIGRATE}`],
  '3F000': [
    'STORE_VERSION',
    `The database has no tables of a store: ${MIGRATE} with a role that may create them`,
  ],
  '42P01': [
    'STORE_VERSION',
    `The database lacks tables of the store: ${MIGRATE} with a role that may create them`,
  ],
  '42501': [
    'STORE_UNAVAILABLE',
    'The role of the URL may not use the tables of the store: run "worker-runtime postgres migrate --grant" with its name',
  ],
  '25006': ['STORE_UNAVAILABLE', 'The database is read-only: the URL must lead to the primary server'],
  '53100': ['STORE_FULL', 'The disk of PostgreSQL is full'],
  '55P03': [
    'STORE_UNAVAILABLE',
    'Another transaction holds a table of the store: end it, such as a backup, and try again',
  ],
  '53300': ['STORE_UNAVAILABLE', 'PostgreSQL has no connection left: raise max_connections or use a pooler'],
};

/** Failures before there is an answer, by the code of the socket. */
const UNREACHABLE = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'ENOENT',
]);

const textIn = (found: unknown, name: 'code' | 'constraint'): string => {
  const value = (found as Readonly<Record<string, unknown>> | null)?.[name];
  return typeof value === 'string' ? value : '';
};

const codeOf = (error: unknown): string =>
  textIn(error instanceof AggregateError ? error.errors[0] : error, 'code');

/** Returns the SQLSTATE of an answer of PostgreSQL; empty if the error is none. */
export const stateOf = (error: unknown): string => {
  const cause: unknown = error instanceof RuntimeError ? error.cause : error;
  const code = codeOf(cause);
  return /^[0-9A-Z]{5}$/.test(code) && (cause as { severity?: unknown }).severity !== undefined ? code : '';
};

/** Returns the constraint that an answer of PostgreSQL names. */
export const constraintOf = (error: unknown): string => {
  const cause: unknown = error instanceof RuntimeError ? error.cause : error;
  return textIn(cause, 'constraint');
};

export const unavailable = (message: string, cause?: unknown): RuntimeError =>
  new RuntimeError('STORE_UNAVAILABLE', message, cause === undefined ? {} : { cause });

/** Returns the error of the store for a failure of PostgreSQL or of the connection to it. The original is its cause. */
export const failureOf = (error: unknown): RuntimeError => {
  if (error instanceof RuntimeError) return error;
  const [code, message] = BY_STATE[stateOf(error)] ?? [];
  if (code) return new RuntimeError(code, message, { cause: error });
  if (UNREACHABLE.has(codeOf(error)))
    return unavailable('PostgreSQL cannot be reached: check the host and the port of the URL', error);
  if (/certificate|SSL|TLS/i.test(String((error as Error | null)?.message)))
    return unavailable(
      'No trusted TLS connection to PostgreSQL: check sslmode and sslrootcert of the URL',
      error,
    );
  return unavailable('PostgreSQL did not carry out a statement', error);
};
