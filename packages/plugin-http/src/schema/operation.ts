import type { ErrorCode } from '@worker-runtime/core';
import type { PARAMETERS, RESPONSE_HEADERS } from './parameters.ts';

/** The representations of a successful response. Strings are names of schemas unless stated otherwise. */
export interface SuccessAnswer {
  readonly json?: string;
  /** The item of a page, which is offered as JSON and, with one item a line, as NDJSON. */
  readonly page?: string;
  /** The data of each event of a stream, by the name of the event. */
  readonly events?: Readonly<Record<string, string>>;
  /** The line of an NDJSON stream. */
  readonly lines?: string;
  /** The media type of a text response. */
  readonly text?: string;
  readonly headers?: readonly (keyof typeof RESPONSE_HEADERS)[];
}

/** The description of a route beyond the route table: its purpose, input and responses. */
export interface Operation {
  readonly id: string;
  readonly summary: string;
  readonly description?: string;
  readonly headers?: readonly (keyof typeof PARAMETERS.header)[];
  readonly request?: { readonly schema: string; readonly isRequired: boolean };
  readonly answers: Readonly<Record<number, SuccessAnswer>>;
  /** The errors beyond those of any operation. */
  readonly errors: readonly ErrorCode[];
}
