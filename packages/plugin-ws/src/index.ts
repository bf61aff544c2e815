export type { WsLimits } from './options.ts';
export type { UpgradeSource } from './upgrade-source.ts';
export { type WsOptions, type WsPlugin, wsObservation, wsPlugin as plugin } from './ws-observation.ts';
