import type { ContentBlock, Plan, SessionUpdate } from '@agentclientprotocol/sdk';
import type { EngineOutput, Redactor } from '@worker-runtime/core';
import type { AgentCalls } from './agent-calls.ts';

const MOST_PLAN_CHARS = 4_000;

const textOf = (block: ContentBlock): string => {
  if (block.type === 'text') return block.text;
  if (block.type === 'resource_link') return `[${block.name}]`;
  return `[${block.type}]`;
};

const MARKS: Readonly<Record<string, string>> = { completed: '[x]', in_progress: '[>]' };

const planOf = ({ entries }: Plan): string =>
  entries.map(({ content, status }) => `${MARKS[status] ?? '[ ]'} ${content}`).join('\n');

/** What an agent says in one run, as outputs of an engine. */
export class AgentSpeech {
  readonly #calls: AgentCalls;
  readonly #words: Redactor;
  #message: string | null = null;
  #isOpen = false;

  constructor(calls: AgentCalls, words: Redactor) {
    this.#calls = calls;
    this.#words = words;
  }

  hear(update: SessionUpdate): readonly EngineOutput[] {
    switch (update.sessionUpdate) {
      case 'agent_message_chunk':
      case 'agent_thought_chunk': {
        const text = textOf(update.content);
        if (text === '') return [];
        const id = update.messageId ?? null;
        const before =
          this.#isOpen && id !== null && this.#message !== null && id !== this.#message ? this.pause() : [];
        this.#message = id;
        this.#isOpen = true;
        const type = update.sessionUpdate === 'agent_message_chunk' ? 'text' : 'reasoning';
        return [...this.#calls.flush(), ...before, { type, text }];
      }
      case 'tool_call':
      case 'tool_call_update':
        return [...this.pause(), ...this.#calls.update(update)];
      case 'plan': {
        const message = this.#words.text(planOf(update)).slice(0, MOST_PLAN_CHARS);
        return [...this.pause(), { type: 'notice', severity: 'info', code: 'PLAN', message }];
      }
      default:
        return [];
    }
  }

  /** Closes the message that is being said. */
  pause(): readonly EngineOutput[] {
    if (!this.#isOpen) return [];
    this.#isOpen = false;
    return [{ type: 'message' }];
  }

  /** The turn is over. */
  close(): readonly EngineOutput[] {
    return [...this.pause(), ...this.#calls.flush()];
  }
}
