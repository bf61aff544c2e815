import { decodeEvent, type EventData } from '../contracts/event.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import type { PendingInput } from '../domain/state.ts';
import { EMPTY_POSITION } from '../log/cursor.ts';
import { type Line, linesOf, textOf } from '../log/lines.ts';
import type { LogReader } from '../log/log-reader.ts';
import type { Worker } from './worker.ts';

/** The content of an input, as its event has it. */
export type InputContent = Pick<EventData['input.accepted'], 'role' | 'parts' | 'metadata'>;

/** How many inputs are read at the same time. Each takes its line and its decoded event until it is read. */
const READS = 8;
const SEARCH = { count: 1_000, bytes: 262_144 };

/** Returns the content of an input if a line is its event; null for any other line. */
const contentIn = (line: Line, { inputId }: PendingInput): InputContent | null => {
  const text = textOf(line);
  if (!text.includes('"type":"input.accepted"') || !text.includes(inputId)) return null;
  const event = decodeEvent(text);
  return event.type === 'input.accepted' && event.data.input === inputId ? event.data : null;
};

/** Reads the content of inputs from the log, a few at a time: the state of a Worker does not hold it. */
export class InputReader {
  readonly #reader: LogReader;
  readonly #waiting: (() => void)[] = [];
  #reads = 0;

  constructor(reader: LogReader) {
    this.#reader = reader;
  }

  /** @throws WORKER_DAMAGED the log does not have the input any more · as the store */
  async read(worker: Worker, input: PendingInput): Promise<InputContent> {
    while (this.#reads >= READS) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#reads += 1;
    try {
      const content = (await this.#at(worker, input)) ?? (await this.#search(worker, input));
      if (content) return content;
    } finally {
      this.#reads -= 1;
      this.#waiting.shift()?.();
    }
    throw new RuntimeError('WORKER_DAMAGED', 'The log has lost the input of this run', {
      details: { workerId: worker.workerId, runId: input.runId },
    });
  }

  async #at(worker: Worker, input: PendingInput): Promise<InputContent | null> {
    if (input.seq === 0) return null;
    const before = { ...EMPTY_POSITION, seq: input.seq - 1, end: input.offset };
    const [line] = linesOf(await this.#reader.after(worker, before, 1, 1));
    return line ? contentIn(line, input) : null;
  }

  /** Searches backwards from the end of the log, for an input whose position an old snapshot does not have. */
  async #search(worker: Worker, input: PendingInput): Promise<InputContent | null> {
    let to = worker.state.head;
    while (to.seq > 0) {
      const reading = await this.#reader.before(worker, to, SEARCH.count, SEARCH.bytes);
      let first: Line | null = null;
      for (const line of linesOf(reading)) {
        first ??= line;
        const content = contentIn(line, input);
        if (content) return content;
      }
      if (!first) return null;
      to = await this.#reader.positionBefore(worker, first);
    }
    return null;
  }
}
