/** Makes a tool from a function, with the version of the AI SDK that this package uses. */
export { tool } from 'ai';
export { aiSdk, plugin } from './ai-sdk.ts';
export type { EmbeddedModel } from './model-object.ts';
export type { AiSdkOptions, KeySource, McpServerOptions, ProviderOptions } from './options.ts';
export type { ToolCaller } from './tools/tool-caller.ts';
export type { AiSdkConfig } from './worker-config.ts';
