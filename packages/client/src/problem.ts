import type { ErrorCode, ErrorDetails } from '@worker-runtime/core';
import { foreign, RemoteError, unreachable } from './remote-error.ts';

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null;

/** What a query parameter is called in the API, where that differs. */
const NAMES: Readonly<Record<string, string>> = { label: 'labels' };

/** An issue of the query points to the argument that it was made from: `?limit` is `/limit` to a caller of the API. */
const issueOf = (issue: unknown): unknown => {
  if (!isFields(issue) || typeof issue.pointer !== 'string' || !issue.pointer.startsWith('?')) return issue;
  const name = issue.pointer.slice(1);
  return { ...issue, pointer: `/${NAMES[name] ?? name}` };
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

/** The typed form of an answer that is not the one that was hoped for. */
export const errorOf = (status: number, text: string): RemoteError => {
  const problem = parsed(text);
  if (isFields(problem) && typeof problem.code === 'string') {
    const { code, detail, title, retryable, correlationId } = problem;
    const message = [detail, title].find((text) => typeof text === 'string') ?? code;
    return new RemoteError(code as ErrorCode, message, {
      details: detailsOf(problem.details),
      retryable: retryable === true,
      correlationId: typeof correlationId === 'string' ? correlationId : null,
    });
  }
  // a proxy says so for the runtime behind it
  if (status === 502 || status === 503 || status === 504) return unreachable(`A proxy answers ${status}`);
  return foreign(status);
};
