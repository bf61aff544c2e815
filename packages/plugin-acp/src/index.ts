export { acp, plugin } from './acp.ts';
export type { AcpOptions, AgentOptions, EnvironmentOption, McpServerOptions } from './options.ts';
export type { AcpConfig } from './worker/worker-config.ts';
