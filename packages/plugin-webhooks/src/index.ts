export { plugin, webhooks } from './webhooks.ts';
export type { WebhookEndpoint, WebhooksOptions } from './webhooks-options.ts';
