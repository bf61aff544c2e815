export { acp, plugin } from './acp.ts';
export type { AcpOptions, AgentOptions } from './options.ts';
export type { AcpConfig } from './worker/worker-config.ts';
