import type { ErrorCode, Runtime } from '@worker-runtime/core';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { RoutePermission } from '../access/permission.ts';
import type { LiveAnswers } from '../streams/stream-responses.ts';

/** What routes are made with. */
export interface RouteContext {
  readonly runtime: Runtime;
  readonly live: LiveAnswers;
}

/** Adds the routes of one concept. Those of a runtime stand below `/v1/runtimes/{r}`, which is checked before them. */
export type Routes = (app: FastifyInstance, context: RouteContext) => void;

/** How a stream says that it cannot be opened just now; null where it was not asked for as a stream. */
export type Closing = (
  accept: string | undefined,
  reason: ErrorCode,
) => { readonly contentType: string; readonly text: string } | null;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may call a route. Each has to say it. */
    readonly permission?: RoutePermission;
    /** The query parameters of a route; none without it. */
    readonly query?: readonly string[];
    /** Also answered while the runtime is not ready. */
    readonly isAlwaysServed?: boolean;
    /** Of a route that streams: trouble that passes is told in the stream, never by a status. */
    readonly closing?: Closing;
  }
  interface FastifyRequest {
    /** Whose token it brought, for the operator's log. */
    callerName: string | null;
    /** Whether the answer stays open. */
    isLive: boolean;
  }
}

/** A parameter of the path that the route's own pattern names. */
export const pathParameter = (request: FastifyRequest, name: 'r' | 'w' | 'q' | 'name' | 'digest'): string =>
  (request.params as Readonly<Record<string, string>>)[name] as string;
