import { type Context, isSpanContextValid, ROOT_CONTEXT, trace } from '@opentelemetry/api';

/** Returns the context that a `traceparent` of W3C names; the root without a valid one. */
export const parentContext = (traceparent: string | undefined): Context => {
  const [, traceId = '', spanId = '', flags = ''] = traceparent?.split('-') ?? [];
  const spanContext = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true };
  return isSpanContextValid(spanContext) ? trace.setSpanContext(ROOT_CONTEXT, spanContext) : ROOT_CONTEXT;
};
