import type { EmbedderRoute } from '@worker-runtime/plugin-http';
import { aboutRoute } from './about.ts';
import { auditRoute } from './audit.ts';
import { type DeviceParts, deviceRoutes } from './devices.ts';
import { type LinkOf, linkRoutes } from './links.ts';
import { runtimeTestRoute } from './runtimes.ts';
import { type SessionParts, sessionRoutes } from './session.ts';
import { ownSessionRoutes } from './sessions.ts';
import { tokenRoutes } from './tokens.ts';
import { workspaceRoutes } from './workspaces.ts';

export interface RouteParts extends SessionParts, DeviceParts {
  readonly linkOf: LinkOf;
  readonly auditPath: string;
}

/** All routes that a backend adds to those of its runtimes. */
export const backendRoutes = (parts: RouteParts): readonly EmbedderRoute[] => [
  ...sessionRoutes(parts),
  ...ownSessionRoutes(parts.access, parts.credentials, parts.cookie),
  ...deviceRoutes(parts),
  ...tokenRoutes(parts.access, parts.credentials),
  ...linkRoutes(parts.access, parts.linkOf),
  ...workspaceRoutes(parts.access),
  aboutRoute,
  auditRoute(parts.auditPath),
  runtimeTestRoute,
];
