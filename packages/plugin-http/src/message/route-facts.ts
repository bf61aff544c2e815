import type { ErrorCode } from '@worker-runtime/core';
import type { RoutePermission } from '../access/permission.ts';

/** Returns the body of a stream that closes at once with a reason; null if the client did not ask for a stream. */
export type Closing = (
  accept: string | undefined,
  reason: ErrorCode,
) => { readonly contentType: string; readonly text: string } | null;

/** The facts about a route beside its path. */
export interface RouteOptions {
  /** The permission that the route needs. */
  readonly permission: RoutePermission;
  /** The names of the query parameters; none by default. `any` is for a page that reads them itself. */
  readonly query?: readonly string[] | 'any';
  /** True if the route also works while the runtime is not ready. */
  readonly isAlwaysServed?: boolean;
  /** True if its bodies are bytes of any media type, and not JSON. */
  readonly takesBytes?: boolean;
  /** True if its bodies are files, which have a limit of their own. */
  readonly isFile?: boolean;
  /** True if the OpenAPI document leaves it out: a file of the console, or a mounted handler. */
  readonly isUndescribed?: boolean;
  /** True for the handler of another plugin, whose protocol may have headers of its own. */
  readonly isMounted?: boolean;
  /** Set for a route that streams: a transient error becomes a closing frame, never an error status. */
  readonly closing?: Closing;
}

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** One method of a path. */
export interface RouteFacts extends RouteOptions {
  readonly method: Method;
  /** The declared path, such as `/v1/runtimes/:r`. */
  readonly path: string;
  /** True if the path names a runtime. */
  readonly isOfRuntime: boolean;
}

/** The route of a request, and what its URL has. */
export interface Found<Route extends RouteFacts = RouteFacts> {
  /** Null if no route has the path and the method. */
  readonly route: Route | null;
  /** True if the escapes of the URL are not valid. */
  readonly isBadUrl: boolean;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string | string[] | undefined>>;
}
