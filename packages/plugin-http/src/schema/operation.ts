import type { ErrorCode } from '@worker-runtime/core';
import type { CursorKind } from './cursor.ts';
import type { PARAMETERS, RESPONSE_HEADERS } from './parameters.ts';

/** The groups of operations, with their descriptions. */
export const TAGS = {
  Workers: 'Create, read, change, stop, resume and delete Workers.',
  Files: 'Files of a Worker, addressed by the digest of their bytes.',
  Runs: 'Send inputs to a Worker, wait for its runs, cancel them, and answer their requests.',
  History: 'Read the log of a Worker, and the views of it.',
  Bundles: 'Config bundles, addressed by the digest of their content.',
  Runtime: 'The runtime, its diagnostics, and the stream of all its Workers.',
  Server: 'Probes, metrics, and this document.',
} as const satisfies Readonly<Record<string, string>>;

/** The representations of a successful response. Strings are names of schemas unless stated otherwise. */
export interface SuccessAnswer {
  readonly json?: string;
  /** The item of a page, which is offered as JSON and, with one item a line, as NDJSON. */
  readonly page?: string;
  /** The frame of a stream of Server-Sent Events. */
  readonly frames?: string;
  /** The line of an NDJSON stream. */
  readonly lines?: string;
  /** The media types of a response of bytes. */
  readonly bytes?: readonly string[];
  /** The media type of a text response. */
  readonly text?: string;
  readonly headers?: readonly (keyof typeof RESPONSE_HEADERS)[];
  /** The operations that can follow, with the parameters that the response or the request gives. */
  readonly links?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** The description of a route beyond the route table: its purpose, input and responses. */
export interface Operation {
  readonly id: string;
  readonly tag: keyof typeof TAGS;
  readonly summary: string;
  readonly description: string;
  /** The kind of the cursors in its parameters. */
  readonly cursor?: CursorKind;
  readonly headers?: readonly (keyof typeof PARAMETERS.header)[];
  /** The body: JSON of a schema, or bytes of any type. */
  readonly request?: { readonly schema: string; readonly isRequired: boolean } | 'bytes';
  readonly answers: Readonly<Record<number, SuccessAnswer>>;
  /** True if only servers of several runtimes have the route. */
  readonly isOfSeveral?: boolean;
  /** The errors beyond those of any operation. */
  readonly errors: readonly ErrorCode[];
}
