import type { RuntimePlugin } from '@worker-runtime/core';
import { type HttpListener, http } from './http.ts';

export type { Caller } from './access/access.ts';
export type { Permission } from './access/permission.ts';
export type { Token } from './access/token.ts';
export { type HttpListener, http, type UpgradeHandler } from './http.ts';
export type { HttpOptions } from './options.ts';

/**
 * The convention by which the command line loads a plugin: options of any origin, checked here.
 * @throws INVALID_REQUEST an option that does not exist (the message names the known ones) or does not fit
 */
export const plugin = (options: Readonly<Record<string, unknown>> = {}): RuntimePlugin & HttpListener =>
  http(options);
