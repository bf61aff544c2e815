import { Dialogue } from '../attach/dialogue.ts';
import { Narrator, questionOf } from '../attach/narrator.ts';
import { Screen, type Terminal } from '../attach/terminal.ts';
import type { Output } from '../output.ts';
import { printable } from '../printable.ts';
import { type ClientFlags, failureOf, inSession, type Session } from '../session.ts';
import { textOf } from '../speech.ts';

/** How much of the conversation is shown to begin with. */
const RECENT_ITEMS = 20;

/** One person's visit to a Worker. */
class Visit {
  readonly #session: Session;
  readonly #workerId: string;
  readonly #screen: Screen;
  readonly #dialogue: Dialogue;
  readonly #narrator: Narrator;
  readonly #left = new AbortController();

  constructor(
    session: Session,
    { worker, url }: ClientFlags & { readonly worker: string },
    terminal: Terminal,
  ) {
    this.#session = session;
    this.#workerId = worker;
    this.#screen = new Screen(terminal, () => void this.#dialogue.cancel());
    this.#dialogue = new Dialogue({
      client: session.client,
      workerId: worker,
      remark: (text) => this.#remark(text),
      wordsOf: (error) => {
        const failure = failureOf(error, url);
        return failure instanceof Error ? failure.message : String(failure);
      },
    });
    this.#narrator = new Narrator((event) => this.#dialogue.isOwn(event));
  }

  /** Resolves when the person, or the Worker, is gone. */
  async run(): Promise<void> {
    let typing = Promise.resolve();
    try {
      const after = await this.#begin();
      typing = this.#type();
      await this.#watch(after);
    } finally {
      this.#left.abort();
      this.#screen.close();
    }
    await typing;
  }

  /** Shows how things are. Returns from where they are followed. */
  async #begin(): Promise<string> {
    const { client, isJson } = this.#session;
    const worker = await client.getWorker(this.#workerId);
    const recent = await client.transcript(this.#workerId, { before: 'end', limit: RECENT_ITEMS });
    const { items: requests } = await client.listRequests(this.#workerId);
    this.#dialogue.asked(requests);
    if (isJson) return recent.asOf;
    const said = recent.items.map(({ role, parts }) => `${role}: ${printable(textOf(parts))}\n`);
    const asked = requests.map(({ prompt, options }) => questionOf(prompt, options));
    this.#screen.say([...said, ...asked].join(''));
    this.#remark(`${worker.workerId} is ${worker.status}; Ctrl-C cancels its run, Ctrl-D leaves`);
    return recent.asOf;
  }

  /** Follows what happens, over restarts of the runtime. */
  async #watch(after: string): Promise<void> {
    const { client, isJson } = this.#session;
    const { signal } = this.#left;
    for await (const item of client.observe(this.#workerId, { after, acrossRestarts: true, signal })) {
      // an input is told before it is taken note of, or it would not be known as one's own any more
      const text = isJson ? `${JSON.stringify(item)}\n` : this.#narrator.tell(item);
      if (item.type === 'event') this.#dialogue.take(item.event);
      this.#screen.say(text);
    }
  }

  /** Takes what is typed until there is no more. Where nobody is at the keys, answers are waited for. */
  async #type(): Promise<void> {
    for await (const line of this.#screen.lines) {
      this.#screen.entered();
      await this.#dialogue.typed(line);
      this.#screen.prompt();
    }
    if (!this.#screen.isInteractive && !this.#left.signal.aborted) await this.#dialogue.settled();
    this.#left.abort();
  }

  #remark(text: string): void {
    if (this.#session.isJson) this.#session.remark(text);
    else this.#screen.say(`[${printable(text)}]\n`);
  }
}

/** Talks with a Worker until Ctrl-D, the end of the input, or the end of the Worker. */
export const attach = (
  flags: ClientFlags & { readonly worker: string },
  output: Output,
  terminal: Terminal,
): Promise<void> => inSession(flags, output, (session) => new Visit(session, flags, terminal).run());
