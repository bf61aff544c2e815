import type { RuntimePlugin } from '@worker-runtime/core';
import type { Permission } from '@worker-runtime/core/scope';
import { type HttpListener, http } from './http.ts';

export { type Access, bearerTokenOf } from './access/access.ts';
export { assertMay, assertSeesAll, type Caller } from './access/caller.ts';
export { type AddressOf, addressesBehind } from './access/client-address.ts';
export type { Token } from './access/token.ts';
export { type ConfiguredAccess, readAccess } from './configured-access.ts';
export type { Directory, DirectoryOfSeveral, Upstream } from './directory.ts';
export type {
  AnswerRecord,
  Embedder,
  EmbedderAnswer,
  EmbedderRequest,
  EmbedderRoute,
} from './embedder.ts';
export { type HttpListener, http } from './http.ts';
export { HttpServer } from './http-server.ts';
export type { MountContext, MountHandler, MountPlace } from './mount.ts';
export type { HttpOptions } from './options.ts';
export { prefixOf } from './request-target.ts';
export { answerArchives } from './routes/archives.ts';
export { waitForPort } from './traffic/port-wait.ts';
export type { UnreadBytes, Upgrade, UpgradeHandler } from './upgrades.ts';

export type { Permission };

/**
 * Creates the plugin for the command line, which passes unchecked options.
 * @throws INVALID_REQUEST an option is unknown (the message names the known ones) or invalid
 */
export const plugin = (options: Readonly<Record<string, unknown>> = {}): RuntimePlugin & HttpListener =>
  http(options);
