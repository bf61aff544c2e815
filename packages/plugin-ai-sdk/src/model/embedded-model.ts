import { RuntimeError } from '@worker-runtime/core';
import type { EmbeddedModel, Sdk6Model } from '../model-object.ts';
import { AnswerFailure } from './answer-failure.ts';
import type { RequestObserver } from './regular-answer.ts';

type CallOptions = Parameters<Extract<Sdk6Model, { readonly specificationVersion: 'v3' }>['doStream']>[0];
type Prompt = CallOptions['prompt'];

/** A part of the stream of a model, as far as it is used here. The versions of the AI SDK differ in the rest. */
interface StreamPart {
  readonly type: string;
  readonly delta?: unknown;
  readonly data?: unknown;
  readonly finishReason?: unknown;
}

/** The parts that show that the model makes progress. */
const OUTPUTS = new Set(['text-delta', 'reasoning-delta', 'tool-input-delta', 'tool-call', 'file']);
/** The parts that only the AI SDK 7 knows. A Worker has no use for them. */
const UNKNOWN_TO_SDK6 = new Set(['custom', 'reasoning-file']);

/** Returns a part of a stream in the form of the AI SDK 6, which has files without tags; null for a file that is a URL. */
const partForSdk6 = (part: StreamPart): StreamPart | null => {
  const { type, data } = part;
  if (type !== 'file' || typeof data !== 'object' || data === null || !('type' in data)) return part;
  return 'data' in data ? { ...part, data: data.data } : null;
};

/** Returns data in the form of the AI SDK 7: tagged with its kind. */
const taggedData = (data: string | Uint8Array | URL): object =>
  data instanceof URL ? { type: 'url', url: data } : { type: 'data', data };

type ResultOutput = Extract<Prompt[number], { readonly role: 'tool' }>['content'][number] extends infer Part
  ? Extract<Part, { readonly type: 'tool-result' }> extends { readonly output: infer Output }
    ? Output
    : never
  : never;

const outputForSdk7 = (output: ResultOutput): object =>
  output.type !== 'content'
    ? output
    : {
        ...output,
        value: output.value.map((part) => {
          if (part.type === 'file-data' || part.type === 'image-data')
            return { ...part, type: 'file', data: taggedData(part.data) };
          if (part.type === 'file-url' || part.type === 'image-url')
            return { mediaType: 'image', ...part, type: 'file', data: taggedData(new URL(part.url)) };
          return part;
        }),
      };

/** Returns a prompt in the form of the AI SDK 7, which differs in its files only. */
const promptForSdk7 = (prompt: Prompt): readonly object[] =>
  prompt.map((message) =>
    message.role === 'system'
      ? message
      : {
          ...message,
          content: message.content.map((part) => {
            if (part.type === 'file') return { ...part, data: taggedData(part.data) };
            return part.type === 'tool-result' ? { ...part, output: outputForSdk7(part.output) } : part;
          }),
        },
  );

/** Returns the failure that a finish reports, or null. It is a word up to version 2, and an object from version 3 on. */
const failureOf = (reason: unknown): AnswerFailure | null => {
  const word = typeof reason === 'object' && reason !== null && 'unified' in reason ? reason.unified : reason;
  if (word === 'error') return new AnswerFailure('reported', 'The model reported an error');
  return word === 'interrupted' ? new AnswerFailure('early', 'The answer was interrupted') : null;
};

/** Resolves with a promise, or rejects when the signal fires: a model need not observe it. */
const orAborted = async <T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> => {
  if (!signal) return promise;
  let abort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
};

/**
 * Watches the stream of a model. An answer that is too large, reports a failure, or has no end, fails.
 * @throws OUTPUT_TOO_LARGE · AnswerFailure, both from the stream
 */
const watched = (
  stream: ReadableStream<StreamPart>,
  observer: RequestObserver,
  maxBytes: number,
  signal: AbortSignal | undefined,
): ReadableStream<StreamPart> => {
  let bytes = 0;
  let hasFinished = false;
  const watch = new TransformStream<StreamPart, StreamPart>({
    transform: (given, controller) => {
      const part = partForSdk6(given);
      if (part === null) return;
      if (OUTPUTS.has(part.type)) observer.output();
      else observer.alive();
      if (typeof part.delta === 'string') bytes += Buffer.byteLength(part.delta);
      if (typeof part.data === 'string' || part.data instanceof Uint8Array) bytes += part.data.length;
      if (bytes > maxBytes)
        throw new RuntimeError('OUTPUT_TOO_LARGE', `The model sent more than ${maxBytes} bytes`);
      if (part.type === 'finish') {
        hasFinished = true;
        const failure = failureOf(part.finishReason);
        if (failure) throw failure;
      }
      if (!UNKNOWN_TO_SDK6.has(part.type)) controller.enqueue(part);
    },
    flush: () => {
      if (!hasFinished) throw new AnswerFailure('early', 'The answer ended without a finish');
    },
  });
  return stream.pipeThrough(watch, signal ? { signal } : {});
};

/**
 * Returns a model object of the embedding program for one request. The AI SDK 6 of this package gets a model of its own
 * version, so a model of the AI SDK 7 gets its prompt in the form of that version.
 */
export const embeddedModel = (
  model: EmbeddedModel,
  observer: RequestObserver,
  maxBytes: number,
): Sdk6Model => {
  const { specificationVersion: version, provider, modelId } = model;
  const stream = model.doStream.bind(model) as unknown as (
    options: object,
  ) => PromiseLike<{ readonly stream: ReadableStream<StreamPart> }>;
  return {
    specificationVersion: version === 'v2' ? 'v2' : 'v3',
    provider,
    modelId,
    supportedUrls: model.supportedUrls,
    doStream: async (options: CallOptions) => {
      const { abortSignal } = options;
      const prompt = version === 'v4' ? promptForSdk7(options.prompt) : options.prompt;
      const pending = Promise.resolve(stream({ ...options, prompt }));
      // An answer that begins after the abort is released.
      pending.then((late) => (abortSignal?.aborted ? late.stream.cancel() : undefined)).catch(() => {});
      const result = await orAborted(pending, abortSignal);
      observer.alive();
      return { ...result, stream: watched(result.stream, observer, maxBytes, abortSignal) };
    },
    doGenerate: () => Promise.reject(new TypeError('Answers are streamed')),
  } as Sdk6Model;
};
