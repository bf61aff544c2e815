import { Dialogue } from '../attach/dialogue.ts';
import { Narrator, questionOf } from '../attach/narrator.ts';
import { Screen, type Terminal } from '../attach/terminal.ts';
import { type ClientFlags, failureOf, inSession, isUnsent, type Session } from '../client-command.ts';
import { textOf } from '../display-text.ts';
import { EXIT, Failure } from '../failure.ts';
import type { Output } from '../output.ts';
import { printable } from '../printable.ts';

/** How much of the conversation is shown to begin with. */
const RECENT_ITEMS = 20;

/** One person's visit to a Worker. */
class Visit {
  readonly #session: Session;
  readonly #url: string;
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
    this.#url = url;
    this.#workerId = worker;
    this.#screen = new Screen(terminal, () => void this.#dialogue.cancel());
    this.#dialogue = new Dialogue({
      client: session.client,
      workerId: worker,
      remark: (text) => this.#remark(text),
      failed: (error) => this.#failed(error),
    });
    this.#narrator = new Narrator((event) => this.#dialogue.isOwn(event));
  }

  /** Resolves when the person, or the Worker, is gone. @throws for a pipe, also what `Dialogue.settled` does */
  async run(): Promise<void> {
    try {
      const after = await this.#begin();
      await Promise.all([this.#type(), this.#watch(after)]);
    } finally {
      this.#leave();
    }
  }

  /** Shows a person how things are. Returns from where they are followed. */
  async #begin(): Promise<string> {
    const { client, isJson } = this.#session;
    const worker = await client.getWorker(this.#workerId);
    const recent = await client.transcript(this.#workerId, { before: 'end', limit: RECENT_ITEMS });
    const { items: requests } = await client.listRequests(this.#workerId);
    this.#dialogue.asked(requests);
    if (isJson || !this.#screen.isInteractive) return recent.asOf;
    const said = recent.items.map((item) => `${item.role}: ${printable(textOf(item))}\n`);
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
    this.#leave();
  }

  /** Takes what is typed until there is no more; from a pipe, until a line is not taken, and then waits for answers. */
  async #type(): Promise<void> {
    const { isInteractive, lines } = this.#screen;
    try {
      for await (const line of lines) {
        this.#screen.entered();
        if (!(await this.#dialogue.typed(line)) && !isInteractive) break;
        this.#screen.prompt();
      }
      if (!isInteractive && !this.#left.signal.aborted) await this.#dialogue.settled();
    } finally {
      this.#left.abort();
    }
  }

  #leave(): void {
    this.#left.abort();
    this.#screen.close();
  }

  /** A person goes on, and may say it again; a pipe ends with it. */
  #failed(error: unknown): void {
    if (!this.#screen.isInteractive) return;
    const failure = failureOf(error, this.#url);
    const words = failure instanceof Error ? failure.message : String(failure);
    const isDoubtful = failure instanceof Failure && failure.exitCode === EXIT.notReachable;
    if (isDoubtful) this.#remark(`${isUnsent(error) ? 'not sent' : 'perhaps not sent'}: ${words}`);
    else this.#remark(words);
  }

  #remark(text: string): void {
    if (this.#session.isJson || !this.#screen.isInteractive) this.#session.remark(text);
    else this.#screen.say(`[${printable(text)}]\n`);
  }
}

/** Talks with a Worker until Ctrl-D, the end of the input, or the end of the Worker. */
export const attach = (
  flags: ClientFlags & { readonly worker: string },
  output: Output,
  terminal: Terminal,
): Promise<void> => inSession(flags, output, (session) => new Visit(session, flags, terminal).run());
