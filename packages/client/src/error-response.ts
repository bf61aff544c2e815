import type { ErrorCode, ErrorDetails } from '@worker-runtime/core';
import { notARuntime, RemoteError } from './remote-error.ts';
import { retryAfterOf } from './retry-after.ts';

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null;

/** The names of query parameters in the API, if they differ. */
const API_NAMES: ReadonlyMap<string, string> = new Map([['label', 'labels']]);

/** Changes the pointer of an issue from the query parameter to the argument of the API: `?limit` becomes `/limit`. */
const issueOf = (issue: unknown): unknown => {
  if (!isFields(issue) || typeof issue.pointer !== 'string' || !issue.pointer.startsWith('?')) return issue;
  const name = issue.pointer.slice(1);
  return { ...issue, pointer: `/${API_NAMES.get(name) ?? name}` };
};

const detailsOf = (details: unknown): ErrorDetails => {
  if (!isFields(details)) return {};
  if (!Array.isArray(details.issues)) return details;
  return { ...details, issues: details.issues.map(issueOf) as NonNullable<ErrorDetails['issues']> };
};

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
};

/** Answers of a proxy that passes: it could not reach the runtime, or its client has sent too much. */
const PASSING = new Set([429, 502, 503, 504]);

/** Returns the typed error for an answer with an error status. */
export const errorFromResponse = (status: number, headers: Headers, text: string): RemoteError => {
  const problem = parsed(text);
  const retryAfterMs = retryAfterOf(headers);
  if (isFields(problem) && typeof problem.code === 'string') {
    const { code, detail, title, retryable, correlationId } = problem;
    const message = [detail, title].find((text) => typeof text === 'string') ?? code;
    return new RemoteError(code as ErrorCode, message, {
      details: detailsOf(problem.details),
      retryable: retryable === true,
      correlationId: typeof correlationId === 'string' ? correlationId : null,
      retryAfterMs,
    });
  }
  return PASSING.has(status)
    ? new RemoteError('RUNTIME_UNREACHABLE', `A proxy answered with ${status}`, { retryAfterMs })
    : notARuntime(status);
};
