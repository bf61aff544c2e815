import { type Logger, RuntimeError } from '@worker-runtime/core';
import {
  type CallSettings,
  type ModelMessage,
  type ProviderMetadata as ProviderOptions,
  streamText,
  type TextStreamPart,
  type ToolSet,
} from 'ai';
import type { ResolvedOptions } from '../options.ts';
import type { Secrets } from '../secrets.ts';
import { beginning } from '../text-beginning.ts';
import type { WorkerConfig } from '../worker-config.ts';
import type { NamedModel } from './language-models.ts';
import { providerDetail, providerError } from './provider-error.ts';
import { SilenceLimit } from './silence-limit.ts';

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
  const { retries } = options;
  // AbortSignal.any is not used: the garbage collector may remove its signal before it fires.
  const request = new AbortController();
  const abort = (): void => request.abort(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  const exceeded: { limitMs: number | null } = { limitMs: null };
  const silence = new SilenceLimit(named.limits, (limitMs) => {
    exceeded.limitMs ??= limitMs;
    request.abort();
  });
  let failure: unknown = null;
  const observer = {
    output: () => silence.output(),
    alive: () => silence.alive(),
    failed: (error: unknown) => {
      failure = error;
    },
  };
  try {
    const { fullStream } = streamText({
      model: named.open({ retries, observer }),
      ...(system !== undefined && { system }),
      messages,
      tools,
      ...(config.settings as CallSettings),
      providerOptions: (named.optionsName === null
        ? config.providerOptions
        : { [named.optionsName]: config.providerOptions }) as ProviderOptions,
      maxRetries: retries,
      abortSignal: request.signal,
      onError: () => {},
    });
    for await (const part of fullStream) {
      if (part.type === 'error') throw failure ?? part.error;
      if (part.type === 'abort') throw new Error('The request was cancelled');
      silence.pause();
      yield part;
      silence.resume();
    }
  } catch (error) {
    signal.throwIfAborted();
    const detail = beginning(secrets.text(providerDetail(error)), 2_000);
    if (exceeded.limitMs !== null) {
      log.warn({ detail }, 'A model sent no output in time');
      throw new RuntimeError('ENGINE_UNAVAILABLE', `The model sent no output for ${exceeded.limitMs} ms`);
    }
    log.warn({ detail }, 'A request to a model failed');
    throw providerError(error);
  } finally {
    silence.end();
    signal.removeEventListener('abort', abort);
    request.abort();
  }
}
