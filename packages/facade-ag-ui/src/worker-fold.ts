import type { Observation, WorkerEvent } from '@worker-runtime/core';
import { Conversation, type TextPiece } from '@worker-runtime/core/views';
import type { AgUiEvent } from './ag-ui-event.ts';
import { FILE_ACTIVITY, fileOf, resultOf, toolCallIdOf } from './tool-call.ts';

type Data<T extends WorkerEvent['type']> = Extract<WorkerEvent, { readonly type: T }>['data'];

/** An event for the client; `snapshot` stands for all messages that the log has up to the last event. */
type Sent = AgUiEvent | 'snapshot';

interface OpenText {
  readonly type: TextPiece['partType'];
  readonly message: string;
  length: number;
}

const beginOf = (type: TextPiece['partType'], messageId: string): readonly AgUiEvent[] =>
  type === 'text'
    ? [{ type: 'TEXT_MESSAGE_START', messageId, role: 'assistant' }]
    : [
        { type: 'REASONING_START', messageId },
        { type: 'REASONING_MESSAGE_START', messageId, role: 'reasoning' },
      ];

const endOf = (type: TextPiece['partType'], messageId: string): readonly AgUiEvent[] =>
  type === 'text'
    ? [{ type: 'TEXT_MESSAGE_END', messageId }]
    : [
        { type: 'REASONING_MESSAGE_END', messageId },
        { type: 'REASONING_END', messageId },
      ];

const stepNameOf = (step: number): string => `step ${step}`;

/**
 * Translates the observations of a Worker after a snapshot of its messages. Each event follows the order that clients verify: what is open
 * is closed before a run ends.
 */
export class WorkerFold {
  readonly #conversation = new Conversation({ keptItems: 0 });
  readonly #texts = new Map<string, OpenText>();
  readonly #calls = new Set<string>();
  /** The calls that open requests are about, by request. */
  readonly #asked = new Map<string, string | null>();
  #step: number | null = null;
  #lastSeq = 0;

  /** @param events what the snapshot was made of */
  constructor(events: readonly WorkerEvent[]) {
    for (const event of events) this.#track(event);
  }

  /** The number of the last event that the client has. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** True if people are asked, as far as the log says. */
  get isAsking(): boolean {
    return this.#asked.size > 0;
  }

  /** True if no call is in progress, except those that wait for an answer. */
  get isBlocked(): boolean {
    const waiting = new Set(this.#asked.values());
    return [...this.#calls].every((call) => waiting.has(call));
  }

  /** Replaces what is known of open requests. */
  setRequests(requests: readonly { readonly requestId: string; readonly call: string | null }[]): void {
    this.#asked.clear();
    for (const { requestId, call } of requests) this.#asked.set(requestId, call);
  }

  /** The events after the first snapshot. */
  begin(): readonly AgUiEvent[] {
    return this.#step === null ? [] : [{ type: 'STEP_STARTED', stepName: stepNameOf(this.#step) }];
  }

  /** Returns the events that close all that is open. */
  close(): readonly AgUiEvent[] {
    const step: readonly AgUiEvent[] =
      this.#step === null ? [] : [{ type: 'STEP_FINISHED', stepName: stepNameOf(this.#step) }];
    return [...this.#closedTexts(), ...step];
  }

  /** Returns the events of the next observation. */
  apply(item: Observation): readonly Sent[] {
    const pieces = this.#conversation.apply(item);
    if (item.type !== 'event')
      return pieces.some(({ isReplacement }) => isReplacement)
        ? this.#again()
        : pieces.flatMap((piece) => this.#text(piece));
    const { event } = item;
    const before = this.#step;
    this.#track(event);
    switch (event.type) {
      case 'message.completed':
        return this.#message(event.data, pieces);
      case 'step.started':
      case 'step.finished':
        return this.#stepped(before);
      case 'tool.called': {
        const { call, name, input, title } = event.data;
        const toolCallId = toolCallIdOf(event.run, call);
        return [
          {
            type: 'TOOL_CALL_START',
            toolCallId,
            toolCallName: name,
            parentMessageId: toolCallId,
            ...(title !== undefined && { metadata: { title } }),
          },
          { type: 'TOOL_CALL_ARGS', toolCallId, delta: JSON.stringify(input) },
          { type: 'TOOL_CALL_END', toolCallId },
        ];
      }
      case 'tool.finished': {
        const { id, ...result } = resultOf(toolCallIdOf(event.run, event.data.call), event.data);
        return [{ type: 'TOOL_CALL_RESULT', messageId: id, role: 'tool', ...result }];
      }
      case 'input.accepted':
        return this.#again();
      case 'run.continued':
        // what the interrupted execution wrote is written again
        return [...this.#stepped(before), ...this.#again()];
      case 'run.finished':
        return [...(this.#texts.size > 0 ? this.#again() : []), ...this.#stepped(before)];
      default:
        return [];
    }
  }

  #track(event: WorkerEvent): void {
    this.#lastSeq = event.seq;
    switch (event.type) {
      case 'step.started':
        this.#step = event.data.step;
        return;
      case 'step.finished':
      case 'run.continued':
        this.#step = null;
        return;
      case 'tool.called':
        this.#calls.add(event.data.call);
        return;
      case 'tool.finished':
        this.#calls.delete(event.data.call);
        return;
      case 'request.opened':
        this.#asked.set(event.data.request, event.data.call ?? null);
        return;
      case 'request.resolved':
        this.#asked.delete(event.data.request);
        return;
      case 'run.finished':
        this.#step = null;
        this.#calls.clear();
        this.#asked.clear();
        return;
      default:
    }
  }

  #stepped(before: number | null): readonly AgUiEvent[] {
    if (before === this.#step) return [];
    return [
      ...(before === null ? [] : [{ type: 'STEP_FINISHED', stepName: stepNameOf(before) } as const]),
      ...(this.#step === null ? [] : [{ type: 'STEP_STARTED', stepName: stepNameOf(this.#step) } as const]),
    ];
  }

  #text({ part, partType, message, text }: TextPiece): readonly AgUiEvent[] {
    if (text === '') return [];
    const known = this.#texts.get(part);
    const open = known ?? { type: partType, message, length: 0 };
    this.#texts.set(part, open);
    open.length += text.length;
    const type = partType === 'text' ? 'TEXT_MESSAGE_CONTENT' : 'REASONING_MESSAGE_CONTENT';
    return [...(known ? [] : beginOf(partType, part)), { type, messageId: part, delta: text }];
  }

  #closedTexts(isSelected: (open: OpenText) => boolean = () => true): readonly AgUiEvent[] {
    const events: AgUiEvent[] = [];
    for (const [part, open] of this.#texts) {
      if (!isSelected(open)) continue;
      this.#texts.delete(part);
      events.push(...endOf(open.type, part));
    }
    return events;
  }

  #message({ message, parts }: Data<'message.completed'>, pieces: readonly TextPiece[]): readonly Sent[] {
    const texts = pieces.flatMap((piece) => this.#text(piece));
    const recorded = new Map(parts.map((part) => [part.id, part.type === 'file' ? 0 : part.text.length]));
    // a client cannot take text back, except by a snapshot
    const differs =
      pieces.some(({ isReplacement }) => isReplacement) ||
      [...this.#texts].some(([id, open]) => open.message === message && recorded.get(id) !== open.length);
    if (differs) return [...this.#closedTexts((open) => open.message === message), ...this.#again()];
    const files = parts.flatMap((part): readonly AgUiEvent[] =>
      part.type === 'file' && 'digest' in part
        ? [
            {
              type: 'ACTIVITY_SNAPSHOT',
              messageId: part.id,
              activityType: FILE_ACTIVITY,
              content: fileOf(part),
            },
          ]
        : [],
    );
    return [...texts, ...this.#closedTexts((open) => open.message === message), ...files];
  }

  /** Returns a snapshot, and the text in flight, which a snapshot removes from the client. */
  #again(): readonly Sent[] {
    const closed = this.#closedTexts();
    const written = this.#conversation.writing.flatMap(({ run, message, parts }) =>
      parts.flatMap(({ id, type, text }) =>
        this.#text({
          run,
          message,
          part: id,
          partType: type,
          // the other half of the character follows with the next piece
          text: text.replace(/[\ud800-\udbff]$/, ''),
          isReplacement: false,
        }),
      ),
    );
    return [...closed, 'snapshot', ...written];
  }
}
