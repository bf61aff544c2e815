import type { RequestKind, RequestOption, WorkerEvent } from './event.ts';
import type { JsonObject, JsonValue } from './json.ts';

/** A question of a run that waits for an answer by `respond`. */
export interface OpenRequest {
  readonly requestId: string;
  readonly runId: string;
  readonly kind: RequestKind;
  readonly prompt: string;
  /** The tool call that the request is about, or null. */
  readonly call: string | null;
  /** The answers that are allowed. */
  readonly options: readonly RequestOption[];
  /** The JSON Schema of the value that may come with an answer, or null if none may. */
  readonly schema: JsonObject | null;
  readonly openedAt: string;
  /** The time at which the request is resolved without an answer, or null. */
  readonly expiresAt: string | null;
}

/** An open request, with the Worker whose run waits for the answer. */
export interface WorkerRequest extends OpenRequest {
  readonly workerId: string;
}

/** An answer to a request. */
export interface RequestResponse {
  /** The id of one of the options. */
  readonly decision: string;
  /** The value that the schema of the request asks for. */
  readonly value?: JsonValue;
  /** A remark for the engine, at most 4,096 characters. */
  readonly note?: string;
}

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
