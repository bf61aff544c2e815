import { randomUUID } from 'node:crypto';
import type { RuntimeClient } from '@worker-runtime/client';
import type { OpenRequest, WorkerEvent } from '@worker-runtime/core';
import { choicesOf } from '../display-text.ts';
import { leftOn, notCompleted } from '../run-failure.ts';

/** What a dialogue needs of who runs it. */
export interface DialogueOptions {
  readonly client: RuntimeClient;
  readonly workerId: string;
  /** Says something that is no part of the conversation. */
  readonly remark: (text: string) => void;
  /** Hears why something was not done. */
  readonly failed: (error: unknown) => void;
}

/** An open request: what may be answered, and the run that waits for it. */
interface Asked {
  readonly options: readonly string[];
  readonly run: string;
}

/** A person's side of a conversation with a Worker: what was typed, and what came of it. */
export class Dialogue {
  readonly #options: DialogueOptions;
  /** What was sent from here, inputs by their keys and answers by their requests, with their runs once those are known. */
  readonly #sent = new Map<string, string | null>();
  readonly #requests = new Map<string, Asked>();
  /** The first thing that went wrong with what was sent from here. */
  #failure: unknown = null;
  #settled: () => void = () => {};

  constructor(options: DialogueOptions) {
    this.#options = options;
  }

  /** Requests that were open before. */
  asked(requests: readonly OpenRequest[]): void {
    for (const { requestId, options, runId } of requests)
      this.#requests.set(requestId, { options, run: runId });
  }

  isOwn(event: WorkerEvent): boolean {
    return (
      event.type === 'input.accepted' && event.data.key !== undefined && this.#sent.has(event.data.key.value)
    );
  }

  /** Takes note of what an event means for what may be typed next. */
  take(event: WorkerEvent): void {
    if (event.type === 'input.accepted' && this.isOwn(event)) {
      this.#sent.set(event.data.key?.value ?? '', event.run ?? '');
    } else if (event.type === 'run.finished') {
      const { outcome, error } = event.data;
      for (const [key, run] of this.#sent) {
        if (run !== event.run) continue;
        this.#sent.delete(key);
        if (outcome !== 'completed') this.#failure ??= notCompleted(outcome, error);
      }
    } else if (event.type === 'request.opened') {
      this.#requests.set(event.data.request, { options: event.data.options, run: event.run ?? '' });
    } else if (event.type === 'request.resolved') this.#requests.delete(event.data.request);
    else return;
    this.#settled();
  }

  /** A line was typed: the answer to the oldest open request, or an input. Returns whether it was taken. Never fails. */
  async typed(line: string): Promise<boolean> {
    const text = line.trim();
    if (text === '') return true;
    const open = this.#open();
    return this.#tried(open ? this.#respond(...open, text) : this.#send(line));
  }

  /** Ends the run that is on. Never fails. */
  async cancel(): Promise<void> {
    const { client, workerId, remark } = this.#options;
    await this.#tried(
      client.cancelRun(workerId).then(({ changed }) => {
        if (!changed) remark('nothing is running; Ctrl-D leaves');
        return true;
      }),
    );
  }

  /**
   * Resolves when all that was sent from here is worked off.
   * @throws what was not taken, or a run that did not complete, or one that waits for an answer that nobody will type
   */
  async settled(): Promise<void> {
    while (this.#sent.size > 0 && !this.#open()) {
      await new Promise<void>((resolve) => {
        this.#settled = resolve;
      });
    }
    if (this.#failure !== null) throw this.#failure;
    const open = this.#open();
    if (open) throw leftOn(open[1].run, 'waits for an answer', this.#options.workerId);
  }

  /** The oldest request that was not answered from here: that it is resolved is heard of only later. */
  #open(): [requestId: string, asked: Asked] | undefined {
    return [...this.#requests].find(([requestId]) => !this.#sent.has(requestId));
  }

  async #send(text: string): Promise<boolean> {
    const { client, workerId, remark } = this.#options;
    const idempotencyKey = `attach-${randomUUID()}`;
    this.#sent.set(idempotencyKey, null);
    try {
      const { queued } = await client.sendInput(workerId, { text, whenBusy: 'queue' }, { idempotencyKey });
      if (queued) remark('queued behind the run that is on');
      return true;
    } catch (error) {
      this.#sent.delete(idempotencyKey);
      this.#settled();
      throw error;
    }
  }

  async #respond(requestId: string, { options, run }: Asked, text: string): Promise<boolean> {
    const { client, workerId, remark } = this.#options;
    const decision =
      options.find((option) => option.toLowerCase() === text.toLowerCase()) ??
      (/^[1-9]\d*$/.test(text) ? options[Number(text) - 1] : undefined);
    if (decision === undefined) {
      remark(`answer with one of: ${choicesOf(options)}`);
      return false;
    }
    this.#sent.set(requestId, run);
    try {
      await client.respond(workerId, requestId, { decision });
      return true;
    } catch (error) {
      this.#sent.delete(requestId);
      this.#settled();
      throw error;
    }
  }

  async #tried(attempt: Promise<boolean>): Promise<boolean> {
    try {
      return await attempt;
    } catch (error) {
      this.#failure ??= error;
      this.#options.failed(error);
      return false;
    }
  }
}
