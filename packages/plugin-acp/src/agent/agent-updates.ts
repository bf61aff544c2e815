import type { EngineOutput, FilePart } from '@worker-runtime/core';
import type { Redactor } from '@worker-runtime/core/plugin-kit';
import type { AgentCalls } from './agent-calls.ts';
import type { SessionUpdate } from './session-update.ts';

const MAX_PLAN_CHARS = 4_000;

/** Translates the agent's session updates of one run into engine outputs. */
export class AgentUpdates {
  readonly #calls: AgentCalls;
  readonly #redactor: Redactor;
  #messageId: string | null = null;
  #isMessageOpen = false;

  constructor(calls: AgentCalls, redactor: Redactor) {
    this.#calls = calls;
    this.#redactor = redactor;
  }

  /**
   * Translates an update, whose files have been stored.
   * @throws LIMIT_REACHED too many calls have no result
   */
  translate(update: SessionUpdate, files: readonly FilePart[] = []): readonly EngineOutput[] {
    switch (update.type) {
      case 'file': {
        const { text } = update;
        if (files.length === 0) return this.translate({ type: 'text', text, messageId: this.#messageId });
        return [...this.#calls.flush(), ...this.endMessage(), { type: 'message', parts: files }];
      }
      case 'text':
      case 'reasoning': {
        const { type, text, messageId: id } = update;
        if (text === '') return [];
        const isNextMessage =
          this.#isMessageOpen && id !== null && this.#messageId !== null && id !== this.#messageId;
        const before = isNextMessage ? this.endMessage() : [];
        this.#messageId = id;
        this.#isMessageOpen = true;
        return [...this.#calls.flush(), ...before, { type, text }];
      }
      case 'call':
        return [...this.endMessage(), ...this.#calls.update(update.call, update.begins, files)];
      case 'plan': {
        const message = this.#redactor.text(update.text).slice(0, MAX_PLAN_CHARS);
        return [...this.endMessage(), { type: 'notice', severity: 'info', code: 'PLAN', message }];
      }
    }
  }

  /** Ends the message that is being written, if there is one. */
  endMessage(): readonly EngineOutput[] {
    if (!this.#isMessageOpen) return [];
    this.#isMessageOpen = false;
    return [{ type: 'message' }];
  }

  /** Returns the remaining outputs of a run whose prompt the agent has finished. */
  finish(): readonly EngineOutput[] {
    return [...this.endMessage(), ...this.#calls.finish()];
  }
}
