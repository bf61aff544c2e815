import type { Observation, WorkerEvent } from '@worker-runtime/core';
import { Conversation, openRequestOf, type TextPiece } from '@worker-runtime/core/views';
import type { Chunk, Progress } from './chunk.ts';
import { fileOf, outputOf, questionOf } from './tool-part.ts';

type Data<T extends WorkerEvent['type']> = Extract<WorkerEvent, { readonly type: T }>['data'];

interface OpenPart {
  readonly id: string;
  readonly type: TextPiece['partType'];
  readonly message: string;
}

/**
 * Translates the observations of one run to chunks, each character once. It has to see the run from its beginning. With a
 * progress it is silent about what the client has already.
 */
export class RunChunks {
  readonly #runId: string;
  readonly #conversation = new Conversation({ keptItems: 0 });
  /** The event up to which the client has everything. */
  readonly #had: number;
  /** The lengths of text that the client has, by part. */
  readonly #skipped: Map<string, number>;
  readonly #lengths = new Map<string, number>();
  /** The chunk ids of the parts whose text is being written, by part. */
  readonly #open = new Map<string, OpenPart>();
  readonly #calls = new Set<string>();
  readonly #asked = new Map<string, string | null>();
  #upTo: number;
  #replacements = 0;
  #isFinished = false;

  constructor(runId: string, progress: Progress | null) {
    this.#runId = runId;
    this.#had = progress?.upTo ?? 0;
    this.#upTo = this.#had;
    this.#skipped = new Map(Object.entries(progress?.shown ?? {}));
  }

  get isFinished(): boolean {
    return this.#isFinished;
  }

  /** The open requests of the run. */
  get requests(): readonly string[] {
    return [...this.#asked.keys()];
  }

  /** True if no call is in progress, except those that wait for an answer. */
  get isBlocked(): boolean {
    const waiting = new Set(this.#asked.values());
    return this.#asked.size > 0 && [...this.#calls].every((call) => waiting.has(call));
  }

  /** The first chunk of an answer. */
  get start(): Chunk {
    return { type: 'start', messageId: this.#runId };
  }

  /** The last chunks of an answer that pauses for people. The client's next request continues the message. */
  pause(): readonly Chunk[] {
    return [
      ...this.#closed(() => true),
      { type: 'finish', finishReason: 'tool-calls', messageMetadata: this.#progress() },
    ];
  }

  /** Returns the chunks of the next observation. */
  apply(item: Observation): readonly Chunk[] {
    const pieces = this.#conversation.apply(item).filter(({ run }) => run === this.#runId);
    if (item.type !== 'event') return pieces.flatMap((piece) => this.#text(piece));
    const { event } = item;
    if (event.run !== this.#runId) return [];
    const isNew = event.seq > this.#had;
    if (isNew) this.#upTo = event.seq;
    const text = isNew ? pieces.flatMap((piece) => this.#text(piece)) : [];
    const chunks = [...text, ...this.#event(event)];
    return isNew ? chunks : [];
  }

  #progress(): Progress {
    return {
      upTo: this.#upTo,
      ...(this.#lengths.size > 0 && { shown: Object.fromEntries(this.#lengths) }),
    };
  }

  #text({ part, partType, message, text, isReplacement }: TextPiece): readonly Chunk[] {
    const begun: Chunk[] = [];
    // a client cannot take text back: the part ends, and another one has all of the text
    if (isReplacement) {
      begun.push(...this.#closed((id) => id === part));
      this.#replacements += 1;
      this.#lengths.delete(part);
      this.#skipped.delete(part);
    }
    this.#lengths.set(part, (this.#lengths.get(part) ?? 0) + text.length);
    const skipped = Math.min(this.#skipped.get(part) ?? 0, text.length);
    this.#skipped.set(part, (this.#skipped.get(part) ?? 0) - skipped);
    const delta = text.slice(skipped);
    if (delta === '') return begun;
    let open = this.#open.get(part);
    if (open === undefined) {
      const id = this.#replacements === 0 ? part : `${part}-${this.#replacements}`;
      open = { id, type: partType, message };
      this.#open.set(part, open);
      begun.push({ type: `${partType}-start`, id });
    }
    return [...begun, { type: `${partType}-delta`, id: open.id, delta }];
  }

  /** Returns the ends of the open parts that are selected. */
  #closed(isSelected: (part: string, open: OpenPart) => boolean): readonly Chunk[] {
    const chunks: Chunk[] = [];
    for (const [part, open] of this.#open) {
      if (!isSelected(part, open)) continue;
      this.#open.delete(part);
      chunks.push({ type: `${open.type}-end`, id: open.id });
    }
    return chunks;
  }

  #event(event: WorkerEvent): readonly Chunk[] {
    switch (event.type) {
      case 'message.completed':
        return this.#message(event.data);
      case 'step.started':
        return [{ type: 'start-step' }];
      case 'step.finished':
        return [{ type: 'finish-step' }];
      case 'tool.called': {
        const { call, name, input, title } = event.data;
        this.#calls.add(call);
        return [
          {
            type: 'tool-input-available',
            toolCallId: call,
            toolName: name,
            input,
            dynamic: true,
            ...(title !== undefined && { title }),
          },
        ];
      }
      case 'tool.finished':
        return this.#result(event.data);
      case 'request.opened':
        return this.#request(openRequestOf(event));
      case 'request.resolved':
        return this.#answer(event.data);
      case 'run.continued':
        // what the interrupted execution wrote is written again
        this.#lengths.clear();
        return this.#closed(() => true);
      case 'run.finished':
        this.#isFinished = true;
        return this.#end(event.data);
      default:
        return [];
    }
  }

  #message({ message, parts }: Data<'message.completed'>): readonly Chunk[] {
    const chunks: Chunk[] = [...this.#closed((_, open) => open.message === message)];
    for (const part of parts) {
      this.#lengths.delete(part.id);
      // a file of an earlier version is a URL that its engine gave
      if (part.type === 'file' && 'digest' in part)
        chunks.push({ type: 'data-file', id: part.id, data: fileOf(part) });
    }
    return chunks;
  }

  #result({ call, error, denied, ...result }: Data<'tool.finished'>): readonly Chunk[] {
    this.#calls.delete(call);
    if (denied) return [{ type: 'tool-output-denied', toolCallId: call }];
    return error === undefined
      ? [{ type: 'tool-output-available', toolCallId: call, output: outputOf(result), dynamic: true }]
      : [{ type: 'tool-output-error', toolCallId: call, errorText: error, dynamic: true }];
  }

  #request(request: ReturnType<typeof openRequestOf>): readonly Chunk[] {
    const { requestId, call } = request;
    const isOfCall = call !== null && this.#calls.has(call);
    this.#asked.set(requestId, isOfCall ? call : null);
    const approval: Chunk = {
      type: 'tool-approval-request',
      approvalId: requestId,
      toolCallId: isOfCall ? call : requestId,
    };
    return isOfCall
      ? [approval]
      : [{ type: 'tool-input-available', ...questionOf(request), dynamic: true }, approval];
  }

  #answer({ request, decision, note, value }: Data<'request.resolved'>): readonly Chunk[] {
    const isQuestion = this.#asked.get(request) === null;
    this.#asked.delete(request);
    if (!isQuestion) return [];
    const output = { decision, ...(note !== undefined && { note }), ...(value !== undefined && { value }) };
    return [{ type: 'tool-output-available', toolCallId: request, output, dynamic: true }];
  }

  #end({ outcome, error, reason }: Data<'run.finished'>): readonly Chunk[] {
    const closed = this.#closed(() => true);
    if (outcome === 'completed')
      return [...closed, { type: 'finish', finishReason: 'stop', messageMetadata: this.#progress() }];
    if (outcome === 'cancelled')
      return [...closed, { type: 'abort', reason: reason ?? 'The run was cancelled' }];
    const text =
      outcome === 'failed' && error !== undefined
        ? `${error.code}: ${error.message}`
        : 'EXECUTION_LOST: The run was interrupted, because the runtime stopped or crashed';
    return [...closed, { type: 'error', errorText: text }];
  }
}
