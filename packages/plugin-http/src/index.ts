import type { RuntimePlugin } from '@worker-runtime/core';
import { type HttpListener, http } from './http.ts';

export type { Caller } from './access/access.ts';
export type { Permission } from './access/permission.ts';
export type { Token } from './access/token.ts';
export { type HttpListener, http } from './http.ts';
export type { HttpOptions } from './options.ts';
export type { UnreadBytes, UpgradeHandler } from './upgrades.ts';

/**
 * Creates the plugin for the command line, which passes unchecked options.
 * @throws INVALID_REQUEST an option is unknown (the message names the known ones) or invalid
 */
export const plugin = (options: Readonly<Record<string, unknown>> = {}): RuntimePlugin & HttpListener =>
  http(options);
