export { type BackendClient, type BackendOptions, backendClient } from './backend-client.ts';
export type { ClientOptions } from './options.ts';
export { RemoteError, type RemoteErrorOptions } from './remote-error.ts';
export { type AcrossRestarts, type RuntimeClient, runtimeClient } from './runtime-client.ts';
