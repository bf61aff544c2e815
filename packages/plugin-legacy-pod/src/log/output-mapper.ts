import type { EngineOutput } from '@worker-runtime/core';
import type { MessageContent, Notice } from '@worker-runtime/core/plugin-kit';
import type { SystemItem } from '../records/log-entry.ts';
import { childEventText } from './committed-run.ts';
import type { ConversationItem } from './conversation-item.ts';
import type { PodRedactor } from './pod-redactor.ts';

/** The maximum length of a text, well below the maximum size of an event. A longer text is cut. */
const MAX_CHARS = 200_000;
const MAX_NOTICE_CHARS = 1_000;

const info = (code: string, message: string): Notice => ({ type: 'notice', severity: 'info', code, message });

/** Converts items of a pod's conversation to engine outputs, in the same order and redacted. */
export class OutputMapper {
  readonly #redactor: PodRedactor;
  readonly #model: () => string | null;
  /** The ids of the tool calls that have no result yet. */
  readonly #openCalls = new Set<string>();

  constructor(redactor: PodRedactor, model: () => string | null) {
    this.#redactor = redactor;
    this.#model = model;
  }

  outputs(items: readonly ConversationItem[]): readonly EngineOutput[] {
    const outputs: EngineOutput[] = [];
    let parts: MessageContent[] = [];
    const endMessage = (): void => {
      if (parts.length > 0) outputs.push({ type: 'message', parts });
      parts = [];
    };
    for (const item of items) {
      if (item.kind !== 'message') endMessage();
      // A model reasons before it writes: reasoning that follows a text begins the next message.
      else if (item.type === 'reasoning' && parts.at(-1)?.type === 'text') endMessage();
      if (item.kind === 'message') parts.push({ type: item.type, text: this.#cut(item.text, outputs) });
      else outputs.push(...this.#outputsOf(item, outputs));
    }
    endMessage();
    return outputs;
  }

  notice(severity: Notice['severity'], code: string, message: string): Notice {
    return {
      type: 'notice',
      severity,
      code,
      message: this.#redactor.text(message).slice(0, MAX_NOTICE_CHARS),
    };
  }

  /** Returns the notice about an input that another client sent to the pod. */
  inputNotice(text: string): Notice {
    return this.notice('info', 'POD_INPUT', `Another client sent an input: ${text}`);
  }

  #outputsOf(
    item: Exclude<ConversationItem, { readonly kind: 'message' }>,
    outputs: EngineOutput[],
  ): readonly EngineOutput[] {
    switch (item.kind) {
      case 'call': {
        this.#openCalls.add(item.call);
        const input = this.#redactor.json(item.input);
        const isLong = JSON.stringify(input).length > MAX_CHARS;
        return [
          {
            type: 'tool-call',
            call: item.call,
            name: this.#redactor.text(item.name),
            input: isLong ? this.#cut(JSON.stringify(input), outputs) : input,
          },
        ];
      }
      case 'result': {
        this.#openCalls.delete(item.call);
        const isLong = item.text.length > MAX_CHARS;
        const text = this.#redactor.text(item.text).slice(0, MAX_CHARS);
        return [
          {
            type: 'tool-result',
            call: item.call,
            ...(item.isError ? { error: text } : { output: text }),
            ...(isLong && { truncated: true as const }),
          },
        ];
      }
      case 'usage': {
        const { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens } = item;
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
        return this.#systemOutputs(item.item);
      case 'notice':
        return [this.notice(item.severity, item.code, item.message)];
      // A second input in one run: another client sent it while the run was active.
      case 'input':
        return [this.inputNotice(item.text)];
      case 'end':
        if (item.result === 'abandoned') return [info('POD_RUN_ABANDONED', 'The paused run was abandoned')];
        if (item.result !== 'limit_reached') return [];
        return [this.notice('warning', 'POD_LIMIT_REACHED', 'The run reached its limit of turns')];
      case 'begin':
        return [];
    }
  }

  #systemOutputs(item: SystemItem): readonly EngineOutput[] {
    switch (item.kind) {
      case 'interrupt': {
        const results = [...this.#openCalls].map((call) => ({
          type: 'tool-result' as const,
          call,
          error: 'Interrupted',
        }));
        this.#openCalls.clear();
        return results;
      }
      case 'notification':
        return [this.notice('info', 'POD_NOTIFICATION', item.message)];
      case 'pod_event':
        return [info('POD_CHILD_EVENT', childEventText(item.event))];
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
    if (text.length > MAX_CHARS) outputs.push(info('POD_TEXT_CUT', 'A text was too long and was cut'));
    // A secret that is cut in two would not be recognized.
    return this.#redactor.text(text).slice(0, MAX_CHARS);
  }
}
