import { type Observation, RuntimeError, type WorkerEvent } from '@worker-runtime/core';
import { observeOrQuiet, QUIET_FRAME, sseAnswer } from '@worker-runtime/core/plugin-kit';
import { Conversation } from '@worker-runtime/core/views';
import { chatRequestOf } from './chat-request.ts';
import { acceptedErrorAnswer, apiErrorOf } from './error-answer.ts';
import { sendContent } from './input-content.ts';
import type { Exchange } from './openai-runtime.ts';

type End = Extract<WorkerEvent, { readonly type: 'run.finished' }>['data'];

/** The longest text of one completion, in characters. */
const COMPLETION_CHARS = 16_777_216;

const frame = (data: unknown): string => `data: ${JSON.stringify(data)}\n\n`;
const DONE = 'data: [DONE]\n\n';

/** The answer of one run as text, folded from the observations of its Worker. A request for approval is answered elsewhere. */
class ChatAnswer {
  readonly #runId: string;
  readonly #conversation = new Conversation({ keptItems: 0 });
  #text = '';
  #input = 0;
  #output = 0;
  #end: End | null = null;

  constructor(runId: string) {
    this.#runId = runId;
  }

  get isFinished(): boolean {
    return this.#end !== null;
  }

  /** The text that the log has. */
  get text(): string {
    return this.#text;
  }

  get usage(): Readonly<Record<string, number>> {
    return {
      prompt_tokens: this.#input,
      completion_tokens: this.#output,
      total_tokens: this.#input + this.#output,
    };
  }

  /** @throws the error of a run that did not complete */
  check(): void {
    const { outcome = 'interrupted', error, reason } = this.#end ?? {};
    if (outcome === 'completed') return;
    if (error) throw new RuntimeError(error.code, error.message);
    if (outcome === 'cancelled')
      throw new RuntimeError(
        'EXECUTION_LOST',
        `The run was cancelled${reason === undefined ? '' : `: ${reason}`}`,
      );
    throw new RuntimeError(
      'EXECUTION_LOST',
      'The run was interrupted, because the runtime stopped or crashed',
    );
  }

  /** Returns the text that an observation adds. @throws OUTPUT_TOO_LARGE */
  apply(item: Observation): string {
    const added = this.#conversation
      .apply(item)
      .flatMap(({ run, partType, text }) => (run === this.#runId && partType === 'text' ? [text] : []))
      .join('');
    if (item.type === 'event' && item.event.run === this.#runId) this.#event(item.event);
    return added;
  }

  #event(event: WorkerEvent): void {
    if (event.type === 'run.finished') this.#end = event.data;
    if (event.type === 'usage.recorded') {
      this.#input += event.data.inputTokens;
      this.#output += event.data.outputTokens;
    }
    if (event.type !== 'message.completed') return;
    for (const part of event.data.parts) if (part.type === 'text') this.#text += part.text;
    if (this.#text.length > COMPLETION_CHARS) throw new RuntimeError('OUTPUT_TOO_LARGE');
  }
}

/** Creates a completion: sends the last message, and answers with the text of its run. */
export const createCompletion = async (exchange: Exchange, body: unknown): Promise<Response> => {
  const { model, content, isStream, includesUsage } = chatRequestOf(body);
  const { runtime, request, ending, workerOf } = exchange;
  const workerId = await workerOf(model);
  const { runId, cursor } = await sendContent(exchange, workerId, content);
  const answer = new ChatAnswer(runId);
  const base = { id: `chatcmpl-${runId}`, created: Math.floor(Date.now() / 1_000), model };
  if (!isStream) {
    try {
      const signal = AbortSignal.any([request.signal, ...(ending === null ? [] : [ending])]);
      for await (const item of observeOrQuiet(runtime, workerId, { after: cursor, signal })) {
        if (item !== 'quiet') answer.apply(item);
        if (answer.isFinished) break;
      }
      if (!answer.isFinished && ending?.aborted) throw RuntimeError.from(ending.reason);
      answer.check();
    } catch (error) {
      return acceptedErrorAnswer(request, error);
    }
    const message = { role: 'assistant', content: answer.text, refusal: null };
    return Response.json({
      ...base,
      object: 'chat.completion',
      choices: [{ index: 0, message, finish_reason: 'stop', logprobs: null }],
      usage: answer.usage,
    });
  }
  const chunk = (delta: object, finish: 'stop' | null = null): string =>
    frame({
      ...base,
      object: 'chat.completion.chunk',
      choices: [{ index: 0, delta, finish_reason: finish, logprobs: null }],
      ...(includesUsage && { usage: null }),
    });
  const frames = async function* (signal: AbortSignal): AsyncGenerator<string, boolean> {
    yield chunk({ role: 'assistant', content: '' });
    for await (const item of observeOrQuiet(runtime, workerId, { after: cursor, signal })) {
      if (item === 'quiet') {
        yield QUIET_FRAME;
        continue;
      }
      const text = answer.apply(item);
      if (text !== '') yield chunk({ content: text });
      if (!answer.isFinished) continue;
      answer.check();
      yield chunk({}, 'stop');
      if (includesUsage)
        yield frame({ ...base, object: 'chat.completion.chunk', choices: [], usage: answer.usage });
      yield DONE;
      return true;
    }
    return false;
  };
  return sseAnswer(exchange, frames, (error) => frame({ error: apiErrorOf(error) }) + DONE);
};
