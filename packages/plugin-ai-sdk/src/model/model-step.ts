import { randomInt } from 'node:crypto';
import type { EngineOutput, FilePart, JsonObject, JsonValue } from '@worker-runtime/core';
import {
  type MadeFile,
  type Message,
  type MessageContent,
  mediaTypeOf,
  type Notice,
  type Usage,
} from '@worker-runtime/core/plugin-kit';
import type {
  AssistantModelMessage,
  LanguageModelUsage,
  ProviderMetadata,
  TextStreamPart,
  ToolSet,
} from 'ai';
import { beginning } from '../text-beginning.ts';
import { isStoredFile, storedFilePart } from './model-files.ts';

/** A tool call that a model requested. */
export interface ModelCall {
  readonly call: string;
  /** The name of the tool as the model wrote it. */
  readonly name: string;
  readonly input: JsonValue;
  /** The reason if the call is invalid, for the model; null for a valid call. */
  readonly invalid: string | null;
}

/** The result of a call of which nothing is known, because its run was interrupted. */
export const INTERRUPTED =
  'This call was interrupted. Whether it had an effect is not known. It is not repeated automatically.';

/** The parts of an answer, as a later request tells them to the model. */
export type AnswerContent = Exclude<AssistantModelMessage['content'], string>;

export interface ModelStep {
  /**
   * The whole answer in order, with the data that the provider requires back unchanged, such as the signature of its
   * reasoning.
   */
  readonly content: AnswerContent;
  readonly calls: readonly ModelCall[];
  /** Everything that is recorded of the answer. It is one commit. */
  readonly outputs: readonly EngineOutput[];
  /** True if the provider called tools of its own. */
  readonly hasProviderCalls: boolean;
  readonly finish: string;
  readonly usage: Usage | null;
}

/** Returns the name of a tool for a model. Models accept only 64 letters, digits, `_` and `-`. */
export const toolNameForModel = (name: string): string => name.replace(/[^A-Za-z0-9_-]/g, '_').slice(0, 64);

const CALL_ID_CHARS = 'abcdefghijklmnopqrstuvwxyz0123456789';

/**
 * Returns a call id that is unique in the log. The ids of providers are not: some count from 0 in each answer. All
 * providers accept ids of nine letters and digits.
 */
export const mintCall = (): string =>
  Array.from({ length: 9 }, () => CALL_ID_CHARS[randomInt(CALL_ID_CHARS.length)]).join('');

/** A number of tokens as the runtime accepts it. Providers also report fractions, and values that count as unknown. */
const tokens = (value: unknown): number | undefined => {
  const whole = typeof value === 'number' ? Math.round(value) : -1;
  return Number.isSafeInteger(whole) && whole >= 0 ? whole : undefined;
};

/** Translates the usage of one call of a model; null if the provider reports none. */
export const usageOf = (model: string, usage: LanguageModelUsage): Usage | null => {
  const { inputTokenDetails, outputTokenDetails } = usage;
  const [inputTokens, outputTokens] = [tokens(usage.inputTokens), tokens(usage.outputTokens)];
  if (inputTokens === undefined && outputTokens === undefined) return null;
  const cacheReadTokens = tokens(inputTokenDetails.cacheReadTokens);
  const cacheWriteTokens = tokens(inputTokenDetails.cacheWriteTokens);
  const reasoningTokens = tokens(outputTokenDetails.reasoningTokens);
  return {
    type: 'usage',
    model,
    inputTokens: inputTokens ?? 0,
    outputTokens: outputTokens ?? 0,
    ...(cacheReadTokens !== undefined && { cacheReadTokens }),
    ...(cacheWriteTokens !== undefined && { cacheWriteTokens }),
    ...(reasoningTokens !== undefined && { reasoningTokens }),
  };
};

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const callOf = (part: Extract<TextStreamPart<ToolSet>, { readonly type: 'tool-call' }>): ModelCall => {
  const isInvalid = part.dynamic === true && part.invalid === true;
  const input = part.input as JsonValue;
  return {
    call: mintCall(),
    name: part.toolName,
    input: isObject(input) ? input : { input },
    invalid: isInvalid
      ? part.error instanceof Error
        ? beginning(part.error.message, 2_000)
        : 'The call is invalid'
      : null,
  };
};

/**
 * Returns the metadata of a part as the options with which it is sent back. The AI SDK reports a signature of Gemini under
 * the name of the provider and reads it under `google`.
 */
const sentBack = (metadata: ProviderMetadata | undefined): { providerOptions?: ProviderMetadata } => {
  if (!metadata) return {};
  const signature = metadata.model?.thoughtSignature;
  return {
    providerOptions:
      signature === undefined ? metadata : { ...metadata, google: { thoughtSignature: signature } },
  };
};

/** The most bytes of JSON that the log keeps of the data of one part. Larger data is used within the run only. */
const OPAQUE_BYTES = 262_144;

/** Returns the data that the provider requires back with a part, as the log keeps it. */
const opaqueOf = (
  part: { readonly providerOptions?: ProviderMetadata } | undefined,
): { readonly opaque?: JsonValue } => {
  const encoded = part?.providerOptions && JSON.stringify(part.providerOptions);
  if (!encoded || Buffer.byteLength(encoded) > OPAQUE_BYTES) return {};
  return { opaque: JSON.parse(encoded) as JsonValue };
};

/**
 * Returns the message of an answer. If it has files, or a provider requires data back with its parts, the parts are those of
 * the provider; otherwise they are what was streamed.
 */
const messageOf = (content: AnswerContent): Message => {
  const parts: MessageContent[] = [];
  for (const part of content) {
    if (part.type === 'file' && isStoredFile(part)) {
      const { data: digest, mediaType, sizeBytes } = part;
      parts.push({ type: 'file', digest, mediaType, sizeBytes, ...opaqueOf(part) });
    }
    if (part.type !== 'text' && part.type !== 'reasoning') continue;
    const last = parts.at(-1);
    const next = { type: part.type, text: part.text, ...opaqueOf(part) };
    // as the runtime joins what is streamed
    if (last && last.type === next.type && last.opaque === undefined && next.opaque === undefined)
      parts[parts.length - 1] = { ...last, text: last.text + next.text };
    else parts.push(next);
  }
  const isAsStreamed = parts.every(({ type, opaque }) => type !== 'file' && opaque === undefined);
  return isAsStreamed ? { type: 'message' } : { type: 'message', parts };
};

/** Collects the text and the reasoning of an answer. The SDK streams each of them in blocks with an id. */
class StreamedBlocks {
  readonly content: AnswerContent = [];
  readonly #blocks = new Map<string, Extract<AnswerContent[number], { type: 'text' | 'reasoning' }>>();

  /** Takes a part of the stream. Metadata may come with each part of a block; the last one counts. */
  take(
    type: 'text' | 'reasoning',
    {
      id,
      text = '',
      providerMetadata,
    }: { id: string; text?: string; providerMetadata?: ProviderMetadata | undefined },
    isStart = false,
  ): void {
    const key = `${type} ${id}`;
    const known = isStart ? undefined : this.#blocks.get(key);
    const block = known ?? { type, text: '' };
    if (!known) {
      this.#blocks.set(key, block);
      this.content.push(block);
    }
    block.text += text;
    Object.assign(block, sentBack(providerMetadata));
  }

  ofCall(call: string): Extract<AnswerContent[number], { type: 'tool-call' }> | undefined {
    return this.content.find((part) => part.type === 'tool-call' && part.toolCallId === call) as
      | Extract<AnswerContent[number], { type: 'tool-call' }>
      | undefined;
  }
}

/**
 * Translates one answer of a model into outputs: yields text and reasoning as they arrive, and returns what is recorded.
 * `nameOf` returns the name under which a tool was granted, and `keep` stores a file.
 */
export async function* modelStep(
  model: string,
  parts: AsyncIterable<TextStreamPart<ToolSet>>,
  nameOf: (modelName: string) => string,
  keep: (file: MadeFile) => Promise<FilePart | Notice>,
): AsyncGenerator<EngineOutput | readonly EngineOutput[], ModelStep> {
  const blocks = new StreamedBlocks();
  const calls: ModelCall[] = [];
  const notices: Notice[] = [];
  let finish = 'other';
  let usage: Usage | null = null;
  // The provider makes these calls itself, with tools that the operator's options give the model.
  const providerTools = new Set<string>();
  yield { type: 'step-start', model };
  for await (const part of parts) {
    if (part.type === 'text-start' || part.type === 'text-end')
      blocks.take('text', part, part.type === 'text-start');
    else if (part.type === 'reasoning-start' || part.type === 'reasoning-end')
      blocks.take('reasoning', part, part.type === 'reasoning-start');
    else if (part.type === 'text-delta') {
      blocks.take('text', part);
      yield { type: 'text', text: part.text };
    } else if (part.type === 'reasoning-delta') {
      blocks.take('reasoning', part);
      yield { type: 'reasoning', text: part.text };
    } else if (part.type === 'tool-call' && part.providerExecuted === true)
      providerTools.add(nameOf(part.toolName));
    else if (part.type === 'tool-call') {
      const call = callOf(part);
      calls.push(call);
      blocks.content.push({
        type: 'tool-call',
        toolCallId: call.call,
        toolName: toolNameForModel(nameOf(call.name)),
        input: call.input,
        ...sentBack(part.providerMetadata),
      });
    } else if (part.type === 'file') {
      const kept = await keep({ bytes: part.file.uint8Array, mediaType: mediaTypeOf(part.file.mediaType) });
      if (kept.type === 'notice') notices.push(kept);
      else blocks.content.push(storedFilePart(kept, sentBack(part.providerMetadata)));
    } else if (part.type === 'finish-step') {
      finish = part.finishReason;
      usage = usageOf(model, part.usage);
    }
  }
  const outputs: readonly EngineOutput[] = [
    messageOf(blocks.content),
    ...calls.map(
      ({ call, name, input }) =>
        ({ type: 'tool-call', call, name: nameOf(name), input, ...opaqueOf(blocks.ofCall(call)) }) as const,
    ),
    ...[...providerTools].map(
      (name): EngineOutput => ({
        type: 'notice',
        severity: 'info',
        code: 'PROVIDER_TOOL',
        message: `The provider called its own tool ${name}`,
      }),
    ),
    ...notices,
    ...(usage ? [usage] : []),
    { type: 'step-finish', finish },
  ];
  const hasProviderCalls = providerTools.size > 0;
  return { content: blocks.content, calls, outputs, hasProviderCalls, finish, usage };
}
