import type { EventData, JsonValue, OpenRequest } from '@worker-runtime/core';

/** The label of the server of all tools: the Worker calls them, and not the client. */
const LABEL = 'worker';

export interface OutputText {
  readonly type: 'output_text';
  readonly text: string;
  readonly annotations: readonly never[];
  readonly logprobs: readonly never[];
}

interface ReasoningText {
  readonly type: 'reasoning_text';
  readonly text: string;
}

type ItemStatus = 'in_progress' | 'completed' | 'incomplete';

/** An item of the output of a response. */
export type OutputItem =
  | {
      readonly type: 'message';
      readonly id: string;
      readonly status: ItemStatus;
      readonly role: 'assistant';
      readonly content: readonly OutputText[];
    }
  | {
      readonly type: 'reasoning';
      readonly id: string;
      readonly status: ItemStatus;
      readonly summary: readonly never[];
      readonly content: readonly ReasoningText[];
    }
  | {
      readonly type: 'mcp_call';
      readonly id: string;
      readonly status: ItemStatus | 'failed';
      readonly server_label: string;
      readonly name: string;
      readonly arguments: string;
      readonly approval_request_id: string | null;
      readonly output: string | null;
      readonly error: string | null;
    }
  | {
      readonly type: 'mcp_approval_request';
      readonly id: string;
      readonly server_label: string;
      readonly name: string;
      readonly arguments: string;
    };

export type CallItem = Extract<OutputItem, { readonly type: 'mcp_call' }>;

export const textPart = (text: string): OutputText => ({
  type: 'output_text',
  text,
  annotations: [],
  logprobs: [],
});

/** Returns the item of a part of a message. Each part is an item. */
export const partItem = (
  id: string,
  type: 'text' | 'reasoning',
  text: string | null,
  status: ItemStatus,
): OutputItem =>
  type === 'text'
    ? {
        type: 'message',
        id: `msg_${id}`,
        status,
        role: 'assistant',
        content: text === null ? [] : [textPart(text)],
      }
    : {
        type: 'reasoning',
        id: `rs_${id}`,
        status,
        summary: [],
        content: text === null ? [] : [{ type: 'reasoning_text', text }],
      };

/** Returns the item of a call of a tool that is in progress. */
export const callItem = ({ call, name, input }: EventData['tool.called']): CallItem => ({
  type: 'mcp_call',
  id: `mcp_${call}`,
  status: 'in_progress',
  server_label: LABEL,
  name,
  arguments: JSON.stringify(input),
  approval_request_id: null,
  output: null,
  error: null,
});

const outputText = (output: JsonValue): string =>
  typeof output === 'string' ? output : JSON.stringify(output);

/** Returns the item of a call that has ended. */
export const endedCall = (
  item: CallItem,
  { output = null, error, denied, files = [] }: EventData['tool.finished'],
): CallItem => {
  if (denied || error !== undefined)
    return { ...item, status: 'failed', error: error ?? 'Permission was refused' };
  const described = files.map(({ digest, mediaType, sizeBytes }) => ({ digest, mediaType, sizeBytes }));
  return {
    ...item,
    status: 'completed',
    output: outputText(files.length === 0 ? output : { output, files: described }),
  };
};

/** Returns the item of a request. A request that belongs to no call is a call named `question`. */
export const requestItem = (
  { requestId, prompt, options, schema }: OpenRequest,
  call: CallItem | null,
): OutputItem => ({
  type: 'mcp_approval_request',
  id: requestId,
  server_label: LABEL,
  name: call?.name ?? 'question',
  arguments: call?.arguments ?? JSON.stringify({ prompt, options, ...(schema !== null && { schema }) }),
});
