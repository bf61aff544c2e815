import type { JsonObject, RunInfo } from '@worker-runtime/core';
import type { OutputItem } from './output-item.ts';
import { conversationIdOf, type ResponsePart, responseIdOf } from './response-id.ts';
import type { RunPart } from './run-part.ts';

type Status = 'queued' | 'in_progress' | 'completed' | 'failed' | 'cancelled';

/** A response of the API. */
export interface ResponseObject {
  readonly id: string;
  readonly object: 'response';
  readonly created_at: number;
  readonly status: Status;
  readonly error: JsonObject | null;
  readonly model: string;
  readonly conversation: { readonly id: string };
  readonly output: readonly OutputItem[];
  readonly usage: JsonObject | null;
  readonly [name: string]: unknown;
}

const seconds = (time: string | null): number =>
  Math.floor((time === null ? Date.now() : Date.parse(time)) / 1_000);

const statusOf = ({ end }: RunPart, isQueued: boolean): Status => {
  if (end === null) return isQueued ? 'queued' : 'in_progress';
  if (end.type === 'asks' || end.outcome === 'completed') return 'completed';
  return end.outcome === 'cancelled' ? 'cancelled' : 'failed';
};

/** Returns the sentence about a run that failed or was interrupted; null for any other. It begins with a stable code. */
const failureOf = ({ end }: RunPart): { readonly code: string; readonly text: string } | null => {
  if (end?.type !== 'finished') return null;
  const { outcome, error } = end;
  if (outcome === 'failed' && error) return { code: error.code, text: `${error.code}: ${error.message}` };
  return outcome === 'completed' || outcome === 'cancelled'
    ? null
    : {
        code: 'EXECUTION_LOST',
        text: 'EXECUTION_LOST: The run was interrupted, because the runtime stopped or crashed',
      };
};

const usageOf = ({ tokens: { input, cached, output, reasoning } }: RunPart): JsonObject => ({
  input_tokens: input,
  input_tokens_details: { cached_tokens: cached, cache_write_tokens: 0 },
  output_tokens: output,
  output_tokens_details: { reasoning_tokens: reasoning },
  total_tokens: input + output,
});

/** Returns a response as far as its part of the run has been read. */
export const responseOf = (
  place: ResponsePart,
  { startedAt, status }: Pick<RunInfo, 'startedAt' | 'status'>,
  part: RunPart,
): ResponseObject => {
  const failure = failureOf(part);
  return {
    id: responseIdOf(place),
    object: 'response',
    created_at: seconds(startedAt),
    status: statusOf(part, status === 'queued'),
    background: true,
    error: failure === null ? null : { code: 'server_error', message: failure.text },
    incomplete_details: null,
    instructions: null,
    max_output_tokens: null,
    metadata: {},
    model: place.model,
    conversation: { id: conversationIdOf(place.model) },
    output: part.items,
    parallel_tool_calls: true,
    previous_response_id: null,
    reasoning: { effort: null, summary: null },
    store: true,
    temperature: null,
    text: { format: { type: 'text' } },
    tool_choice: 'auto',
    tools: [],
    top_p: null,
    truncation: 'disabled',
    usage: part.end === null ? null : usageOf(part),
  };
};
