import type { Server } from '@modelcontextprotocol/sdk/server/index.js';
import type { CallToolResult, ProgressToken, RequestId } from '@modelcontextprotocol/sdk/types.js';
import { type OpenRequest, RuntimeError } from '@worker-runtime/core';
import { answerRequest } from '@worker-runtime/core/plugin-kit';
import type { Exchange } from './exchange.ts';
import { formOf, responseOf } from './question-form.ts';
import { RunRecord } from './run-record.ts';

/** A call of a tool, and the way to its client. */
export interface CallContext {
  readonly exchange: Exchange;
  readonly server: Server;
  readonly requestId: RequestId;
  /** Undefined if the client wants no progress. */
  readonly progressToken: ProgressToken | undefined;
  /** Aborts when the client cancels the call, and when its session ends. */
  readonly signal: AbortSignal;
  /** True if the client has cancelled the call. */
  readonly isCancelled: () => boolean;
}

/** The time limit of the SDK for a question. A person has as much time as the request has. */
const NO_TIMEOUT = 2_147_483_647;

/** Follows one run for a call of a tool: its text as progress, its requests as questions for the client's person. */
export class RunCall {
  readonly #context: CallContext;
  readonly #workerId: string;
  readonly #runId: string;
  readonly #record: RunRecord;
  /** The questions that the client's person sees now, by request. */
  readonly #asked = new Map<string, AbortController>();
  /** Aborts when a request waits that this client does not answer. */
  readonly #unanswered = new AbortController();
  #progress = 0;

  constructor(context: CallContext, workerId: string, runId: string) {
    this.#context = context;
    this.#workerId = workerId;
    this.#runId = runId;
    this.#record = new RunRecord(workerId, runId);
  }

  /**
   * Follows the run from the position before it. Returns when it has ended, or when it waits for an answer that the client cannot give.
   * A client that cancels the call cancels the run; one that only disconnects does not.
   * @throws RUNTIME_STOPPING and other ends of the stream
   */
  async follow(cursor: string): Promise<CallToolResult> {
    const { exchange, signal, isCancelled } = this.#context;
    const { runtime, left, ending, call } = exchange;
    const stop = AbortSignal.any([signal, left, ending, this.#unanswered.signal]);
    try {
      for await (const item of runtime.observe(this.#workerId, { after: cursor, signal: stop })) {
        if (item.type === 'ended') throw new RuntimeError(item.code);
        const { texts, isActive } = this.#record.apply(item);
        for (const text of texts) await this.#notify(text);
        if (texts.length === 0 && isActive) await this.#notify();
        if (this.#record.isFinished) return this.#record.result([]);
        if (item.type === 'event' && item.event.type.startsWith('request.')) await this.#updateQuestions();
      }
    } finally {
      for (const question of this.#asked.values()) question.abort();
    }
    if (isCancelled())
      await runtime
        .cancelRun(this.#workerId, { runId: this.#runId, reason: 'The client cancelled the call' }, call)
        .catch((error: unknown) => {
          // the run has ended, and another one is active
          if (RuntimeError.from(error).code !== 'RUN_MISMATCH') throw error;
        });
    if (ending.aborted) throw RuntimeError.from(ending.reason);
    return this.#record.result(await this.#openRequests());
  }

  async #openRequests(): Promise<readonly OpenRequest[]> {
    const { items } = await this.#context.exchange.runtime.listRequests(this.#workerId);
    return items.filter(({ runId }) => runId === this.#runId);
  }

  /** Reports progress. A client that reads slowly delays the next report, and the run does not wait for it. */
  async #notify(message?: string): Promise<void> {
    const { server, requestId, progressToken, exchange, signal } = this.#context;
    if (progressToken === undefined) return;
    this.#progress += 1;
    const params = { progressToken, progress: this.#progress, ...(message !== undefined && { message }) };
    await server.notification({ method: 'notifications/progress', params }, { relatedRequestId: requestId });
    await exchange.written(signal);
  }

  /** Asks the open requests, and ends the questions about resolved ones. The part of the log that was read may be older. */
  async #updateQuestions(): Promise<void> {
    const open = await this.#openRequests();
    for (const [requestId, question] of this.#asked)
      if (!open.some((request) => request.requestId === requestId)) {
        question.abort();
        this.#asked.delete(requestId);
      }
    for (const request of open) if (!this.#asked.has(request.requestId)) this.#ask(request);
  }

  #ask(request: OpenRequest): void {
    const { server, requestId, exchange } = this.#context;
    const form = server.getClientCapabilities()?.elicitation?.form ? formOf(request) : null;
    if (form === null) {
      this.#unanswered.abort();
      return;
    }
    const question = new AbortController();
    this.#asked.set(request.requestId, question);
    const { signal } = question;
    const answer = async (): Promise<void> => {
      const options = { relatedRequestId: requestId, signal, timeout: NO_TIMEOUT };
      const response = responseOf(request, await server.elicitInput(form, options));
      if (response === null) return this.#unanswered.abort();
      await answerRequest(exchange.runtime, this.#workerId, request.requestId, response, exchange.call);
    };
    answer().catch(() => {
      // unless the question was ended
      if (!signal.aborted) this.#unanswered.abort();
    });
  }
}
