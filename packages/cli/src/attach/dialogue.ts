import { randomUUID } from 'node:crypto';
import type { RuntimeClient } from '@worker-runtime/client';
import type { OpenRequest, WorkerEvent } from '@worker-runtime/core';
import type { Conversation } from '@worker-runtime/core/views';
import { choicesOf } from '../display-text.ts';
import { runNotCompleted, runNotEnded } from '../run-failure.ts';

export interface DialogueOptions {
  readonly client: RuntimeClient;
  readonly workerId: string;
  /** The conversation, to which the visit applies each item before the dialogue gets it. */
  readonly conversation: Conversation;
  /** Shows text that is not part of the conversation. */
  readonly remark: (text: string) => void;
  /** Receives the error of a call that failed. */
  readonly onError: (error: unknown) => void;
}

/** A person's side of a conversation with a Worker: sends typed lines and tracks their results. */
export class Dialogue {
  readonly #options: DialogueOptions;
  /**
   * The runs of the inputs and answers sent from here that have not ended. Inputs are stored by idempotency key, with null
   * until the run is known; answers by request id.
   */
  readonly #sent = new Map<string, string | null>();
  /** The first error of an input or answer sent from here. */
  #failure: unknown = null;
  #onProgress: () => void = () => {};

  constructor(options: DialogueOptions) {
    this.#options = options;
  }

  /** True if the event is an input that was sent from here. */
  isOwn(event: WorkerEvent): boolean {
    return (
      event.type === 'input.accepted' && event.data.key !== undefined && this.#sent.has(event.data.key.value)
    );
  }

  /** Updates the runs of the dialogue from an event. */
  apply(event: WorkerEvent): void {
    if (event.type === 'input.accepted' && this.isOwn(event)) {
      this.#sent.set(event.data.key?.value ?? '', event.run ?? '');
    } else if (event.type === 'run.finished') {
      const { outcome, error } = event.data;
      for (const [key, run] of this.#sent) {
        if (run !== event.run) continue;
        this.#sent.delete(key);
        if (outcome !== 'completed') this.#failure ??= runNotCompleted(outcome, error);
      }
    } else if (event.type !== 'request.opened' && event.type !== 'request.resolved') return;
    this.#onProgress();
  }

  /**
   * Sends what was typed, as the answer to the oldest open request or else as an input. Returns false if it was refused.
   * Never throws.
   */
  async submit(typed: string): Promise<boolean> {
    const text = typed.trim();
    if (text === '') return true;
    const open = this.#openRequest();
    return this.#reportErrors(open ? this.#respond(open, text) : this.#send(typed));
  }

  /** Cancels the active run. Never throws. */
  async cancel(): Promise<void> {
    const { client, workerId, remark } = this.#options;
    await this.#reportErrors(
      client.cancelRun(workerId).then(({ changed }) => {
        if (!changed) remark('no run is active; Ctrl-D leaves');
        return true;
      }),
    );
  }

  /**
   * Resolves when the runs of all inputs and answers sent from here have ended.
   * @throws the first refusal, or a run that did not complete, or one that waits for an answer that cannot come any more
   */
  async settled(): Promise<void> {
    while (this.#sent.size > 0 && !this.#openRequest()) {
      await new Promise<void>((resolve) => {
        this.#onProgress = resolve;
      });
    }
    if (this.#failure !== null) throw this.#failure;
    const open = this.#openRequest();
    if (open) throw runNotEnded(this.#options.workerId, open.runId, 'asks');
  }

  /** Returns the oldest request not yet answered from here. The event that resolves an answered one arrives later. */
  #openRequest(): OpenRequest | undefined {
    return this.#options.conversation.requests.find(({ requestId }) => !this.#sent.has(requestId));
  }

  async #send(text: string): Promise<boolean> {
    const { client, workerId, remark } = this.#options;
    const idempotencyKey = `attach-${randomUUID()}`;
    this.#sent.set(idempotencyKey, null);
    try {
      const { queued } = await client.sendInput(workerId, { text, whenBusy: 'queue' }, { idempotencyKey });
      if (queued) remark('queued behind the active run');
      return true;
    } catch (error) {
      this.#sent.delete(idempotencyKey);
      this.#onProgress();
      throw error;
    }
  }

  async #respond({ requestId, options, runId }: OpenRequest, text: string): Promise<boolean> {
    const { client, workerId, remark } = this.#options;
    const typed = text.toLowerCase();
    const option =
      options.find(({ label }) => label.toLowerCase() === typed) ??
      options.find(({ id }) => id.toLowerCase() === typed) ??
      (/^[1-9]\d*$/.test(text) ? options[Number(text) - 1] : undefined);
    if (option === undefined) {
      remark(`answer with one of: ${choicesOf(options)}`);
      return false;
    }
    this.#sent.set(requestId, runId);
    try {
      await client.respond(workerId, requestId, { decision: option.id });
      return true;
    } catch (error) {
      this.#sent.delete(requestId);
      this.#onProgress();
      throw error;
    }
  }

  async #reportErrors(attempt: Promise<boolean>): Promise<boolean> {
    try {
      return await attempt;
    } catch (error) {
      this.#failure ??= error;
      this.#options.onError(error);
      return false;
    }
  }
}
