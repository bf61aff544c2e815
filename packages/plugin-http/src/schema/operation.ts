import type { ErrorCode } from '@worker-runtime/core';
import type { PARAMETERS, RESPONSE_HEADERS } from './parameters.ts';

/** What a success says. Names of schemas; an operation may offer several representations. */
export interface SuccessAnswer {
  readonly json?: string;
  /** A page of these, as JSON, and one a line as NDJSON. */
  readonly page?: string;
  /** What each event of a stream carries, by its name. */
  readonly events?: Readonly<Record<string, string>>;
  /** What is on each line of an answer as NDJSON that is no page. */
  readonly lines?: string;
  /** The media type of an answer that is text. */
  readonly text?: string;
  readonly headers?: readonly (keyof typeof RESPONSE_HEADERS)[];
}

/** What the route table does not know of a route: what it means, takes and answers. */
export interface Operation {
  readonly id: string;
  readonly summary: string;
  readonly description?: string;
  readonly headers?: readonly (keyof typeof PARAMETERS.header)[];
  readonly request?: { readonly schema: string; readonly isRequired: boolean };
  readonly answers: Readonly<Record<number, SuccessAnswer>>;
  /** Besides those that any operation may fail with. */
  readonly errors: readonly ErrorCode[];
}
