import type { Reads } from '@worker-runtime/core/plugin-kit';
import type { ConnectionLimit } from '../access/connection-limit.ts';
import type { Directory } from '../directory.ts';
import type { HttpRequest } from '../message/http-request.ts';
import type { RoutePlace } from '../route-table.ts';
import type { MountedAnswers } from '../streams/mounted-answers.ts';
import type { StreamResponses } from '../streams/stream-responses.ts';

/** The services that routes use. */
export interface RouteContext {
  readonly directory: Directory;
  readonly streams: StreamResponses;
  readonly mounted: MountedAnswers;
  readonly connections: ConnectionLimit;
  /** Reads pages, a limited number at once. */
  readonly reads: Reads;
}

/**
 * Adds the routes of one concept. Those of a runtime are below `/v1/runtimes/{r}`, and use `request.served`, which the gate
 * has found.
 */
export type Routes = (app: RoutePlace, context: RouteContext) => void;

/** Returns a parameter of the path, which the pattern of the route must name. */
export const pathParameter = (
  { params }: HttpRequest,
  name: 'r' | 'w' | 'q' | 'run' | 'name' | 'digest',
): string => params[name] as string;
