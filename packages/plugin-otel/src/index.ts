export { otel } from './otel.ts';
export type { OtelOptions } from './otel-options.ts';
