import type { ContentBlock, Plan, SessionUpdate } from '@agentclientprotocol/sdk';
import type { EngineOutput } from '@worker-runtime/core';
import type { Redactor } from '@worker-runtime/core/plugin-kit';
import type { AgentCalls } from './agent-calls.ts';

const MAX_PLAN_CHARS = 4_000;

const blockText = (block: ContentBlock): string => {
  if (block.type === 'text') return block.text;
  if (block.type === 'resource_link') return `[${block.name}]`;
  return `[${block.type}]`;
};

const CHECKBOXES: Readonly<Record<string, string>> = { completed: '[x]', in_progress: '[>]' };

const planText = ({ entries }: Plan): string =>
  entries.map(({ content, status }) => `${CHECKBOXES[status] ?? '[ ]'} ${content}`).join('\n');

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

  translate(update: SessionUpdate): readonly EngineOutput[] {
    switch (update.sessionUpdate) {
      case 'agent_message_chunk':
      case 'agent_thought_chunk': {
        const text = blockText(update.content);
        if (text === '') return [];
        const id = update.messageId ?? null;
        const isNextMessage =
          this.#isMessageOpen && id !== null && this.#messageId !== null && id !== this.#messageId;
        const before = isNextMessage ? this.endMessage() : [];
        this.#messageId = id;
        this.#isMessageOpen = true;
        const type = update.sessionUpdate === 'agent_message_chunk' ? 'text' : 'reasoning';
        return [...this.#calls.flush(), ...before, { type, text }];
      }
      case 'tool_call':
      case 'tool_call_update':
        return [...this.endMessage(), ...this.#calls.update(update)];
      case 'plan': {
        const message = this.#redactor.text(planText(update)).slice(0, MAX_PLAN_CHARS);
        return [...this.endMessage(), { type: 'notice', severity: 'info', code: 'PLAN', message }];
      }
      default:
        return [];
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
    return [...this.endMessage(), ...this.#calls.flush()];
  }
}
