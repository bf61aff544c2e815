export type { WsLimits } from './options.ts';
export { SocketServer } from './socket-server.ts';
export type { Upgrade, UpgradeSource } from './upgrade-source.ts';
export { type WsOptions, type WsPlugin, wsObservation, wsPlugin as plugin } from './ws-observation.ts';
