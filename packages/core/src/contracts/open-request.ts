import type { RequestOption, WorkerEvent } from './event.ts';
import type { OpenRequest } from './runtime-api.ts';

/** Returns an option as requests have it. In logs of earlier versions an option is a string. */
export const requestOptionOf = (option: RequestOption | string): RequestOption =>
  typeof option === 'string' ? { id: option, label: option } : option;

/**
 * Returns the option that a consent or a refusal takes: the one for this time, or else the one for always. Null if no option says what
 * it means.
 */
export const meantOption = (options: readonly RequestOption[], isConsent: boolean): RequestOption | null => {
  const [once, always] = isConsent ? ['allow-once', 'allow-always'] : ['reject-once', 'reject-always'];
  return options.find(({ kind }) => kind === once) ?? options.find(({ kind }) => kind === always) ?? null;
};

/** Returns the open request that an event describes. */
export const openRequestOf = ({
  data,
  run = '',
  time,
}: Extract<WorkerEvent, { readonly type: 'request.opened' }>): OpenRequest => ({
  requestId: data.request,
  runId: run,
  kind: data.kind,
  prompt: data.prompt,
  call: data.call ?? null,
  options: data.options.map(requestOptionOf),
  schema: data.schema ?? null,
  openedAt: time,
  expiresAt: data.expiresAt ?? null,
});
