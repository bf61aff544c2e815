import type { MessagePart, RunError, RunOutcome, WorkerEvent } from '../contracts/event.ts';
import type { OpenRequest } from '../contracts/open-request.ts';
import { openRequestOf } from '../contracts/open-request.ts';
import { type ToolPart, type TranscriptItem, transcriptItem } from '../contracts/transcript.ts';

interface Base {
  /** Unique in the conversation, and the same in every fold of it. */
  readonly key: string;
  readonly seq: number;
  readonly time: string;
  readonly run: string | null;
}

export interface InputBlock extends Base {
  readonly kind: 'input';
  readonly role: TranscriptItem['role'];
  /** The caller that sent it, if the runtime knows it. */
  readonly actor: string | null;
  readonly parts: TranscriptItem['parts'];
  /** The idempotency key with which the input was sent; null without one. */
  readonly sentAs: string | null;
  /** True while the input waits for earlier runs. */
  readonly isQueued: boolean;
}

export interface MessageBlock extends Base {
  readonly kind: 'message';
  readonly parts: readonly MessagePart[];
  readonly isPartial: boolean;
}

export type ToolCallPart = Extract<ToolPart, { readonly type: 'tool-call' }>;
type ToolResultPart = Extract<ToolPart, { readonly type: 'tool-result' }>;

export interface CallBlock extends Base {
  readonly kind: 'call';
  readonly call: ToolCallPart;
  readonly result: (ToolResultPart & { readonly seq: number; readonly time: string }) | null;
  /** True if the run ended without a result of the call. */
  readonly isLost: boolean;
}

export interface AskAnswer {
  readonly decision: string | null;
  readonly by: string;
  /** The caller that answered, if the runtime knows it. */
  readonly actor: string | null;
  readonly note: string | null;
  readonly time: string;
}

export interface AskBlock extends Base {
  readonly kind: 'ask';
  readonly request: OpenRequest;
  readonly answer: AskAnswer | null;
}

export interface RunEndBlock extends Base {
  readonly kind: 'run-end';
  readonly outcome: RunOutcome;
  readonly error: RunError | null;
  readonly reason: string | null;
  /** Null if the beginning of the run was not read. */
  readonly startedAt: string | null;
  readonly tokens: number;
}

/** An event that is shown as it is, such as a stop, a change or a diagnostic. */
export interface NoteBlock extends Base {
  readonly kind: 'note';
  readonly event: WorkerEvent;
}

/** One thing that people see in a conversation. */
export type Block = InputBlock | MessageBlock | CallBlock | AskBlock | RunEndBlock | NoteBlock;

interface RunFacts {
  readonly startedAt: string | null;
  readonly tokens: number;
}

/** The types of events that are shown as notes. */
const NOTES: ReadonlySet<WorkerEvent['type']> = new Set([
  'worker.created',
  'worker.forked',
  'worker.updated',
  'worker.stopped',
  'worker.resumed',
  'run.continued',
  'diagnostic.recorded',
] as const);

const isNote = (event: WorkerEvent): boolean =>
  event.type === 'execution.detached'
    ? // a stop and a restart have events of their own
      event.data.cause !== 'stop' && event.data.cause !== 'restart'
    : NOTES.has(event.type);

/**
 * Folds the events of a Worker to what people see, one event after another. The same events give the same blocks, wherever
 * reading began. A block that changes is replaced, so that only its component renders again.
 */
export class BlockFold {
  #blocks: Block[] = [];
  /** The place of the block that a later event completes: of a call, a request or a queued input. */
  readonly #places = new Map<string, number>();
  readonly #runs = new Map<string, RunFacts>();
  #lastSeq = 0;
  /** The blocks as they were returned last; null once they have changed. */
  #shown: readonly Block[] | null = null;

  /** Returns the fold of events in log order. */
  static of(events: Iterable<WorkerEvent>): BlockFold {
    const fold = new BlockFold();
    for (const event of events) fold.add(event);
    return fold;
  }

  /** All blocks, in log order. The same list is returned until an event changes it. */
  get blocks(): readonly Block[] {
    this.#shown ??= [...this.#blocks];
    return this.#shown;
  }

  /** Adds the next event. An event that was added before has no effect. */
  add(event: WorkerEvent): void {
    if (event.seq <= this.#lastSeq) return;
    this.#lastSeq = event.seq;
    this.#shown = null;
    const { seq, time } = event;
    const run = event.run ?? null;
    const base = { seq, time, run };
    switch (event.type) {
      case 'input.accepted': {
        const { input, role, parts, queued, key, actor = null } = event.data;
        this.#places.set(`input ${input}`, this.#blocks.length);
        this.#blocks.push({
          kind: 'input',
          key: input,
          ...base,
          role,
          actor,
          parts,
          sentAs: key?.value ?? null,
          isQueued: queued,
        });
        return;
      }
      case 'message.completed': {
        const item = transcriptItem(event);
        const { message, partial } = event.data;
        if (item === null) return;
        const parts = item.parts as readonly MessagePart[];
        this.#blocks.push({ kind: 'message', key: message, ...base, parts, isPartial: partial === true });
        return;
      }
      case 'tool.called': {
        const call = transcriptItem(event)?.parts[0] as ToolCallPart;
        this.#places.set(`call ${run} ${call.call}`, this.#blocks.length);
        this.#blocks.push({ kind: 'call', key: `call ${seq}`, ...base, call, result: null, isLost: false });
        return;
      }
      case 'tool.finished':
        this.#replace(`call ${run} ${event.data.call}`, 'call', (block) => ({
          ...block,
          result: { type: 'tool-result', ...event.data, seq, time },
          isLost: false,
        }));
        return;
      case 'request.opened': {
        const request = openRequestOf(event);
        this.#places.set(`ask ${request.requestId}`, this.#blocks.length);
        this.#blocks.push({ kind: 'ask', key: request.requestId, ...base, request, answer: null });
        return;
      }
      case 'request.resolved': {
        const { request, decision, by, actor = null, note = null } = event.data;
        this.#replace(`ask ${request}`, 'ask', (block) => ({
          ...block,
          answer: { decision, by, actor, note, time },
        }));
        return;
      }
      case 'run.started':
        if (run !== null) this.#runs.set(run, { startedAt: time, tokens: 0 });
        if (event.data.input !== undefined)
          this.#replace(`input ${event.data.input}`, 'input', (block) => ({ ...block, isQueued: false }));
        return;
      case 'usage.recorded': {
        const { inputTokens, outputTokens } = event.data;
        const facts = this.#runs.get(run ?? '') ?? { startedAt: null, tokens: 0 };
        this.#runs.set(run ?? '', { ...facts, tokens: facts.tokens + inputTokens + outputTokens });
        return;
      }
      case 'run.finished':
        this.#finish(event, base);
        return;
      default:
        if (isNote(event)) this.#blocks.push({ kind: 'note', key: `note ${seq}`, ...base, event });
    }
  }

  #finish({ data }: Extract<WorkerEvent, { readonly type: 'run.finished' }>, base: Omit<Base, 'key'>): void {
    const { outcome } = data;
    const error = data.error ?? null;
    const reason = data.reason ?? null;
    this.#blocks.forEach((block, place) => {
      if (block.run !== base.run) return;
      if (block.kind === 'call' && block.result === null) this.#blocks[place] = { ...block, isLost: true };
      if (block.kind === 'input' && block.isQueued) this.#blocks[place] = { ...block, isQueued: false };
    });
    const { startedAt, tokens } = this.#runs.get(base.run ?? '') ?? { startedAt: null, tokens: 0 };
    this.#runs.delete(base.run ?? '');
    const key = `end ${base.seq}`;
    this.#blocks.push({ kind: 'run-end', key, ...base, outcome, error, reason, startedAt, tokens });
  }

  #replace<K extends Block['kind']>(
    name: string,
    kind: K,
    change: (block: Extract<Block, { readonly kind: K }>) => Block,
  ): void {
    const place = this.#places.get(name);
    const block = place === undefined ? undefined : this.#blocks[place];
    // what it completes is before the place where reading began
    if (place === undefined || block?.kind !== kind) return;
    this.#blocks[place] = change(block as Extract<Block, { readonly kind: K }>);
  }
}
