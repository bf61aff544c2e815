export type { ClientOptions } from './options.ts';
export { RemoteError, type RemoteErrorOptions } from './remote-error.ts';
export { type AcrossRestarts, type RuntimeClient, runtimeClient } from './runtime-client.ts';
