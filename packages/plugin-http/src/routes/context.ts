import type { ErrorCode } from '@worker-runtime/core';
import type { ServedRuntime } from '@worker-runtime/core/plugin-kit';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Caller } from '../access/caller.ts';
import type { ConnectionLimit } from '../access/connection-limit.ts';
import type { RoutePermission } from '../access/permission.ts';
import type { Directory } from '../directory.ts';
import type { MountedAnswers } from '../streams/mounted-answers.ts';
import type { StreamResponses } from '../streams/stream-responses.ts';
import type { Transfer } from '../traffic/byte-total.ts';
import type { Reads } from '../traffic/reads.ts';

/** The services that routes use. */
export interface RouteContext {
  readonly directory: Directory;
  readonly streams: StreamResponses;
  readonly mounted: MountedAnswers;
  readonly connections: ConnectionLimit;
  /** Reads pages, a limited number at once. */
  readonly reads: Reads;
  /** Notes that a body has arrived, for a route that parses its bodies itself. */
  readonly bodyArrived: (request: FastifyRequest, bytes: number) => void;
}

/**
 * Adds the routes of one concept. Those of a runtime are below `/v1/runtimes/{r}`, and use `request.served`, which the gate
 * has found.
 */
export type Routes = (app: FastifyInstance, context: RouteContext) => void;

/** Returns the body of a stream that closes at once with a reason; null if the client did not ask for a stream. */
export type Closing = (
  accept: string | undefined,
  reason: ErrorCode,
) => { readonly contentType: string; readonly text: string } | null;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The permission that the route needs. Every route declares it. */
    readonly permission?: RoutePermission;
    /** The names of the query parameters; none by default. `any` is for a page that reads them itself. */
    readonly query?: readonly string[] | 'any';
    /** True if the route also works while the runtime is not ready. */
    readonly isAlwaysServed?: boolean;
    /** True if its bodies are files, which have a limit of their own. */
    readonly isFile?: boolean;
    /** True if the OpenAPI document leaves it out: a file of the console, or a mounted handler. */
    readonly isUndescribed?: boolean;
    /** Set for a route that streams: a transient error becomes a closing frame, never an error status. */
    readonly closing?: Closing;
  }
  interface FastifyRequest {
    caller: Caller;
    /** The runtime that the path names, as the caller may use it. Only for the routes of a runtime. */
    served: ServedRuntime;
    /** The code of the error that the answer reports; null for a success. */
    refusal: ErrorCode | null;
    /** The address of the client, behind the proxies of `trustedProxies`; null if it has left. */
    from: string | null;
    /** True if the answer is a stream. */
    isStream: boolean;
    /** The bytes of the body; null if the request has none. */
    bodyTransfer: Transfer | null;
  }
}

/** Returns a parameter of the path, which the pattern of the route must name. */
export const pathParameter = (
  request: FastifyRequest,
  name: 'r' | 'w' | 'q' | 'run' | 'name' | 'digest',
): string => (request.params as Readonly<Record<string, string>>)[name] as string;
