import { randomUUID } from 'node:crypto';

const VALID_ID = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;

/** Returns the id that links an answer to its log lines: the caller's `X-Request-Id` if it is valid, else a new one. */
export const correlationIdOf = (header: string | readonly string[] | undefined): string =>
  typeof header === 'string' && VALID_ID.test(header) ? header : randomUUID();
