import type { EngineOutput, MessageContent, Notice } from '@worker-runtime/core';
import type { SystemItem } from '../records/log-entry.ts';
import type { PodRedactor } from './pod-redactor.ts';
import type { Said } from './said.ts';
import { childEvent } from './said-run.ts';

/** Well below the line of an event: what is longer is cut, and says so. */
const MOST_CHARS = 200_000;
const MOST_NOTICE_CHARS = 1_000;

const info = (code: string, message: string): Notice => ({ type: 'notice', severity: 'info', code, message });

/** Makes outputs of an engine of what a pod said, in the same order, with nothing private in them. */
export class Teller {
  readonly #redactor: PodRedactor;
  readonly #model: () => string | null;
  /** Tools that were called and have not answered. */
  readonly #open = new Set<string>();

  constructor(redactor: PodRedactor, model: () => string | null) {
    this.#redactor = redactor;
    this.#model = model;
  }

  tell(said: readonly Said[]): readonly EngineOutput[] {
    const outputs: EngineOutput[] = [];
    let parts: MessageContent[] = [];
    const close = (): void => {
      if (parts.length > 0) outputs.push({ type: 'message', parts });
      parts = [];
    };
    for (const one of said) {
      if (one.what !== 'message') close();
      // a model thinks before it writes: reasoning behind a text begins the next message
      else if (one.type === 'reasoning' && parts.at(-1)?.type === 'text') close();
      if (one.what === 'message') parts.push({ type: one.type, text: this.#cut(one.text, outputs) });
      else outputs.push(...this.#tell(one, outputs));
    }
    close();
    return outputs;
  }

  notice(severity: Notice['severity'], code: string, message: string): Notice {
    return {
      type: 'notice',
      severity,
      code,
      message: this.#redactor.text(message).slice(0, MOST_NOTICE_CHARS),
    };
  }

  #tell(said: Exclude<Said, { readonly what: 'message' }>, outputs: EngineOutput[]): readonly EngineOutput[] {
    switch (said.what) {
      case 'call': {
        this.#open.add(said.call);
        const input = this.#redactor.json(said.input);
        const isLong = JSON.stringify(input).length > MOST_CHARS;
        return [
          {
            type: 'tool-call',
            call: said.call,
            name: this.#redactor.text(said.name),
            input: isLong ? this.#cut(JSON.stringify(input), outputs) : input,
          },
        ];
      }
      case 'result': {
        this.#open.delete(said.call);
        const isLong = said.text.length > MOST_CHARS;
        const text = this.#redactor.text(said.text.slice(0, MOST_CHARS));
        return [
          {
            type: 'tool-result',
            call: said.call,
            ...(said.isError ? { error: text } : { output: text }),
            ...(isLong && { truncated: true as const }),
          },
        ];
      }
      case 'usage': {
        const { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens } = said;
        const model = this.#model();
        return [
          {
            type: 'usage',
            ...(model !== null && { model: this.#redactor.text(model) }),
            inputTokens,
            outputTokens,
            ...(cacheReadTokens > 0 && { cacheReadTokens }),
            ...(cacheWriteTokens > 0 && { cacheWriteTokens }),
          },
        ];
      }
      case 'system':
        return this.#system(said.item);
      case 'notice':
        return [this.notice(said.severity, said.code, said.message)];
      // a second input in one run: another client wrote while it was on
      case 'input':
        return [this.notice('info', 'POD_INPUT', `Another client wrote: ${said.text}`)];
      case 'end':
        if (said.result === 'abandoned') return [info('POD_RUN_ABANDONED', 'The paused run was abandoned')];
        if (said.result !== 'limit_reached') return [];
        return [this.notice('warning', 'POD_LIMIT_REACHED', 'The run reached its limit of turns')];
      case 'begin':
        return [];
    }
  }

  #system(item: SystemItem): readonly EngineOutput[] {
    switch (item.kind) {
      case 'interrupt': {
        const closed = [...this.#open].map((call) => ({
          type: 'tool-result' as const,
          call,
          error: 'Interrupted',
        }));
        this.#open.clear();
        return closed;
      }
      case 'notification':
        return [this.notice('info', 'POD_NOTIFICATION', item.message)];
      case 'pod_event':
        return [info('POD_CHILD_EVENT', childEvent(item.event))];
      case 'file_attachment':
        return [this.notice('info', 'POD_ATTACHMENT', `Attached ${item.path}`)];
      case 'knowledge':
      case 'workflow':
        return [this.notice('info', 'POD_ATTACHMENT', `Attached ${item.kind} ${item.slug}`)];
      case 'task_reminder':
        return [];
    }
  }

  #cut(text: string, outputs: EngineOutput[]): string {
    if (text.length > MOST_CHARS) outputs.push(info('POD_TEXT_CUT', 'A text was too long and is cut'));
    return this.#redactor.text(text.slice(0, MOST_CHARS));
  }
}
