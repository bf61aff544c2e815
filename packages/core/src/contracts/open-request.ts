import type { RequestOption, WorkerEvent } from './event.ts';
import type { OpenRequest } from './runtime-api.ts';

/** Returns an option as requests have it. In logs of earlier versions an option is a string. */
export const requestOptionOf = (option: RequestOption | string): RequestOption =>
  typeof option === 'string' ? { id: option, label: option } : option;

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
