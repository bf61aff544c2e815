export { Connections } from './connections.ts';
export { type Caller, Identity } from './identity.ts';
export { passRequest } from './pass-request.ts';
export { passSocket } from './pass-socket.ts';
export { HOPS_HEADER, type Passage } from './passage.ts';
export { Registry, type RegistryItem, type RegistryOptions, type ReloadResult } from './registry.ts';
export type { Remote } from './remote.ts';
export type { EmbeddedSource, RemoteSource, Source } from './source.ts';
