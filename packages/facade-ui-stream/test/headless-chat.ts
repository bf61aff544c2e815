import { AbstractChat, type ChatInit, type ChatState, type ChatStatus, type UIMessage } from 'ai';

/** The state of a chat without a page. Tests wait for its changes. */
class KeptState implements ChatState<UIMessage> {
  #status: ChatStatus = 'ready';
  error: Error | undefined;
  #messages: UIMessage[];
  readonly #listeners = new Set<() => void>();

  constructor(messages: UIMessage[]) {
    this.#messages = messages;
  }

  get status(): ChatStatus {
    return this.#status;
  }

  set status(status: ChatStatus) {
    this.#status = status;
    this.#changed();
  }

  get messages(): UIMessage[] {
    return this.#messages;
  }

  set messages(messages: UIMessage[]) {
    this.#messages = messages;
    this.#changed();
  }

  readonly pushMessage = (message: UIMessage): void => {
    this.messages = [...this.#messages, this.snapshot(message)];
  };

  readonly popMessage = (): void => {
    this.messages = this.#messages.slice(0, -1);
  };

  readonly replaceMessage = (index: number, message: UIMessage): void => {
    this.messages = this.#messages.with(index, this.snapshot(message));
  };

  readonly snapshot = <T>(thing: T): T => structuredClone(thing);

  /** Resolves when the condition holds. */
  async when(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        const listener = (): void => {
          this.#listeners.delete(listener);
          resolve();
        };
        this.#listeners.add(listener);
      });
    }
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

/** `useChat` without React. */
export class HeadlessChat extends AbstractChat<UIMessage> {
  readonly #kept: KeptState;

  constructor({ messages = [], ...init }: ChatInit<UIMessage>) {
    const kept = new KeptState(messages);
    super({ ...init, state: kept });
    this.#kept = kept;
  }

  /** Resolves when the condition holds. */
  when(condition: () => boolean): Promise<void> {
    return this.#kept.when(condition);
  }

  /** Resolves when the last message has this text. */
  shows(text: string): Promise<void> {
    return this.when(() => textOf(this.lastMessage) === text);
  }

  /** Resolves when the chat waits for people. */
  asks(): Promise<void> {
    return this.when(() => this.status === 'ready' && this.approvals.length > 0);
  }

  /** The ids of the requests that wait for people. */
  get approvals(): readonly string[] {
    return (this.lastMessage?.parts ?? []).flatMap((part) =>
      part.type === 'dynamic-tool' && part.state === 'approval-requested' ? [part.approval.id] : [],
    );
  }
}

/** Returns the text of a message, without reasoning. */
export const textOf = (message: UIMessage | undefined): string =>
  (message?.parts ?? []).flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('');

/** Returns what people see of a message: its parts without steps and the states of parts that are the same in a history. */
export const shownOf = (message: UIMessage | undefined): readonly unknown[] =>
  (message?.parts ?? []).flatMap((part): readonly unknown[] => {
    if (part.type === 'text' || part.type === 'reasoning') return [[part.type, part.text]];
    if (part.type === 'dynamic-tool') {
      const { toolName, toolCallId, state, input, output, errorText } = part as typeof part & {
        readonly output?: unknown;
        readonly errorText?: string;
      };
      return [[toolName, toolCallId, state, input, output ?? null, errorText ?? null]];
    }
    return part.type.startsWith('data-') ? [[part.type, (part as { readonly data: unknown }).data]] : [];
  });
