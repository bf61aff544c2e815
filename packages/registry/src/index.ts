export { type Caller, Identity } from './identity.ts';
export { Connections, HOPS_HEADER, type Passage, passRequest, passSocket } from './passage.ts';
export { Registry, type RegistryItem, type RegistryOptions, type ReloadResult } from './registry.ts';
export type { Remote } from './remote.ts';
export type { EmbeddedSource, RemoteSource, Source } from './source.ts';
