import { type Logger, RuntimeError } from '@worker-runtime/core';
import { type CallSettings, type ModelMessage, streamText, type TextStreamPart, type ToolSet } from 'ai';
import type { ResolvedOptions } from '../options.ts';
import type { Secrets } from '../secrets.ts';
import type { WorkerConfig } from '../worker-config.ts';
import type { NamedModel } from './language-models.ts';
import { providerError, providerStory } from './provider-error.ts';

// else the AI SDK writes its warnings to the console
globalThis.AI_SDK_LOG_WARNINGS ??= false;

/** What one Worker's requests have in common. */
export interface ModelAccess {
  readonly named: NamedModel;
  readonly config: WorkerConfig;
  readonly options: ResolvedOptions;
  readonly secrets: Secrets;
  readonly log: Logger;
}

export interface ModelRequest {
  readonly system: string | undefined;
  readonly messages: ModelMessage[];
  readonly tools: ToolSet;
}

/**
 * One answer of a model, as it comes. Before the first token a request is tried again; afterwards never, since what
 * was said has been shown. Ended early, the request is called off.
 * @throws the signal's reason · ENGINE_UNAVAILABLE · ENGINE_FAILED · CONTEXT_LIMIT · OUTPUT_TOO_LARGE
 */
export async function* modelStream(
  { named, config, options, secrets, log }: ModelAccess,
  { system, messages, tools }: ModelRequest,
  signal: AbortSignal,
): AsyncGenerator<TextStreamPart<ToolSet>> {
  const { stallMs, retries } = options;
  // not AbortSignal.any: what depends on nothing but such a signal may be collected before it fires
  const over = new AbortController();
  const end = (): void => over.abort(signal.reason);
  if (signal.aborted) end();
  signal.addEventListener('abort', end, { once: true });
  let isSilent = false;
  let isWaiting = true;
  const timer = setTimeout(() => {
    if (!isWaiting) return;
    isSilent = true;
    over.abort();
  }, stallMs);
  try {
    const { fullStream } = streamText({
      model: named.model,
      ...(system !== undefined && { system }),
      messages,
      tools,
      ...(config.settings as CallSettings),
      providerOptions: { [named.optionsName]: config.providerOptions as never },
      maxRetries: retries,
      abortSignal: over.signal,
      onError: () => {},
    });
    for await (const part of fullStream) {
      if (part.type === 'error') throw part.error;
      if (part.type === 'abort') throw new Error('The request was called off');
      // no finish was said: the connection ended in good order, and too early
      if (part.type === 'finish-step' && part.finishReason === 'other' && part.rawFinishReason === undefined)
        throw new Error('The stream ended before the answer did');
      isWaiting = false;
      yield part;
      isWaiting = true;
      timer.refresh();
    }
  } catch (error) {
    signal.throwIfAborted();
    const story = secrets.text(providerStory(error));
    if (isSilent) {
      log.warn({ story }, 'A model was silent');
      throw new RuntimeError('ENGINE_UNAVAILABLE', `The model was silent for ${stallMs} ms`);
    }
    log.warn({ story }, 'A model did not answer');
    throw providerError(error);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', end);
    over.abort();
  }
}
