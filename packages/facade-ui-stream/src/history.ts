import type { JsonObject, JsonValue, RuntimeApi } from '@worker-runtime/core';
import { readLogEnd } from '@worker-runtime/core/plugin-kit';
import { type Block, type CallBlock, Conversation, type InputBlock } from '@worker-runtime/core/views';
import { fileOf, outputOf, questionOf } from './tool-part.ts';

/** A message as `useChat` takes it. */
export interface ChatMessage {
  readonly id: string;
  readonly role: 'user' | 'assistant' | 'system';
  readonly parts: readonly JsonObject[];
}

/** The end of a conversation. */
export interface ChatHistory {
  readonly messages: readonly ChatMessage[];
  /** True if there are earlier messages. */
  readonly isTruncated: boolean;
  /** The run whose answer is not in the messages, because it is active; null if there is none. A client resumes it by this id. */
  readonly run: string | null;
}

const inputPartOf = (part: InputBlock['parts'][number]): readonly JsonObject[] => {
  if (part.type === 'text') return [{ type: 'text', text: part.text }];
  return part.type === 'file' && 'digest' in part ? [{ type: 'data-file', data: fileOf(part) }] : [];
};

const callPartOf = ({ call, result }: CallBlock): JsonObject => {
  const base: JsonObject = {
    type: 'dynamic-tool',
    toolName: call.name,
    toolCallId: call.call,
    input: call.input,
    ...(call.title !== undefined && { title: call.title }),
  };
  if (result?.denied)
    return { ...base, state: 'output-denied', approval: { id: call.call, approved: false } };
  if (result === null || result.error !== undefined)
    return { ...base, state: 'output-error', errorText: result?.error ?? 'The run ended before the result' };
  return { ...base, state: 'output-available', output: outputOf(result) };
};

/** Returns the parts of an answer that a block has. A request about a call is a part of that call. */
const partsOf = (block: Block, calls: ReadonlySet<string>): readonly JsonObject[] => {
  switch (block.kind) {
    case 'message':
      return block.parts.flatMap((part): readonly JsonObject[] => {
        if (part.type !== 'file') return [{ type: part.type, text: part.text, state: 'done' }];
        return 'digest' in part ? [{ type: 'data-file', id: part.id, data: fileOf(part) }] : [];
      });
    case 'call':
      return [callPartOf(block)];
    case 'ask': {
      const { request, answer } = block;
      if (request.call !== null && calls.has(request.call)) return [];
      const { toolCallId, toolName, input } = questionOf(request);
      const output: JsonValue = {
        decision: answer?.decision ?? null,
        ...(answer?.note != null && { note: answer.note }),
      };
      return [{ type: 'dynamic-tool', toolName, toolCallId, input, state: 'output-available', output }];
    }
    default:
      return [];
  }
};

/**
 * Returns the messages of a Worker without the answer of an active run, which a client gets when it resumes. The id of an answer is that of
 * its run. Reads at most 2,000 events, the last ones.
 */
export const chatHistory = async (
  runtime: Pick<RuntimeApi, 'events'>,
  workerId: string,
): Promise<ChatHistory> => {
  const { events, isAll } = await readLogEnd(runtime, workerId);
  const blocks = new Conversation({ keptItems: 0, events }).blocks;
  const ended = new Set(blocks.flatMap((block) => (block.kind === 'run-end' ? [block.run] : [])));
  // an input that was accepted a moment ago is the beginning of the next run
  const run = events.find((event) => event.run != null && !ended.has(event.run))?.run ?? null;
  const messages: {
    readonly id: string;
    readonly role: ChatMessage['role'];
    readonly parts: JsonObject[];
  }[] = [];
  const answers = new Map<string, { readonly parts: JsonObject[]; readonly calls: Set<string> }>();
  // what comes before the first input belongs to a run whose beginning was not read
  const first = isAll ? 0 : blocks.findIndex(({ kind }) => kind === 'input');
  for (const block of first === -1 ? [] : blocks.slice(first)) {
    if (block.kind === 'input') {
      const id = block.sentAs ?? block.key;
      messages.push({
        id,
        role: block.role === 'system' ? 'system' : 'user',
        parts: block.parts.flatMap(inputPartOf),
      });
      continue;
    }
    const { run: of } = block;
    if (of === null || !ended.has(of)) continue;
    const answer = answers.get(of) ?? { parts: [], calls: new Set() };
    if (block.kind === 'call') answer.calls.add(block.call.call);
    const parts = partsOf(block, answer.calls);
    if (parts.length === 0) continue;
    if (!answers.has(of)) messages.push({ id: of, role: 'assistant', parts: answer.parts });
    answers.set(of, answer);
    answer.parts.push(...parts);
  }
  return { messages, isTruncated: !isAll, run };
};
