import { type Logger, RuntimeError } from '@worker-runtime/core';
import { type CallSettings, type ModelMessage, streamText, type TextStreamPart, type ToolSet } from 'ai';
import type { ResolvedOptions } from '../options.ts';
import type { Secrets } from '../secrets.ts';
import type { WorkerConfig } from '../worker-config.ts';
import type { NamedModel } from './language-models.ts';
import { providerDetail, providerError } from './provider-error.ts';

// Prevents the AI SDK from writing warnings to the console.
globalThis.AI_SDK_LOG_WARNINGS ??= false;

/** The parameters that all requests of a Worker share. */
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
 * Streams one answer of a model. A request that fails is retried only before the first token, because later output has
 * already been shown. Ending the iteration early cancels the request.
 * @throws the signal's reason · ENGINE_UNAVAILABLE · ENGINE_FAILED · CONTEXT_LIMIT · OUTPUT_TOO_LARGE
 */
export async function* modelStream(
  { named, config, options, secrets, log }: ModelAccess,
  { system, messages, tools }: ModelRequest,
  signal: AbortSignal,
): AsyncGenerator<TextStreamPart<ToolSet>> {
  const { stallMs, retries } = options;
  // AbortSignal.any is not used: the garbage collector may remove its signal before it fires.
  const request = new AbortController();
  const abort = (): void => request.abort(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  let hasStalled = false;
  let isWaiting = true;
  const timer = setTimeout(() => {
    if (!isWaiting) return;
    hasStalled = true;
    request.abort();
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
      abortSignal: request.signal,
      onError: () => {},
    });
    for await (const part of fullStream) {
      if (part.type === 'error') throw part.error;
      if (part.type === 'abort') throw new Error('The request was cancelled');
      // Without a finish reason, the connection was closed normally but too early.
      if (part.type === 'finish-step' && part.finishReason === 'other' && part.rawFinishReason === undefined)
        throw new Error('The stream ended before the answer was complete');
      isWaiting = false;
      yield part;
      isWaiting = true;
      timer.refresh();
    }
  } catch (error) {
    signal.throwIfAborted();
    const detail = secrets.text(providerDetail(error)).slice(0, 2_000);
    if (hasStalled) {
      log.warn({ detail }, 'A model sent no output in time');
      throw new RuntimeError('ENGINE_UNAVAILABLE', `The model sent no output for ${stallMs} ms`);
    }
    log.warn({ detail }, 'A request to a model failed');
    throw providerError(error);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
    request.abort();
  }
}
