export { plugin, quota } from './quota.ts';
export type { QuotaLimits, QuotaOptions } from './quota-options.ts';
