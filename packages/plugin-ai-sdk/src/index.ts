export { aiSdk, plugin } from './ai-sdk.ts';
export type { AiSdkOptions, KeySource, McpServerOptions, ProviderOptions } from './options.ts';
export type { AiSdkConfig } from './worker-config.ts';
