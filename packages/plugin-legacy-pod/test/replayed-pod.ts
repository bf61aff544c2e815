import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { CommittedEntries } from './committed-entries.ts';
import type { Json } from './fake-pod/disk.ts';
import { Lanes } from './fake-pod/lanes.ts';
import { randomFrom } from './fake-pod/random.ts';

export interface SampleLine {
  readonly lane: 'connect' | 'client' | 'event' | 'entry' | 'reply' | 'eof';
  readonly line: Json;
}

export interface ReplayOptions {
  readonly lines: readonly SampleLine[];
  readonly name: string;
  readonly runtimeDir: string;
  readonly dataDir: string;
  readonly seed: number;
  /** True if the adapter sends this method of the sample; false if another client sends it. */
  readonly isFromAdapter: (method: Json) => boolean;
}

/** Replays a dialogue of the samples on a real socket, without a process. A seed decides the order of the lanes. */
export class ReplayedPod {
  readonly #options: ReplayOptions;
  readonly #committed: CommittedEntries;
  readonly #server: Server;
  readonly #clients = new Map<Socket, Lanes>();
  readonly #random: () => number;
  #at: number;
  #reached: (() => void)[] = [];

  private constructor(options: ReplayOptions) {
    this.#options = options;
    this.#random = randomFrom(options.seed);
    this.#at = options.lines.findIndex(({ lane }) => lane !== 'connect');
    const { entries, status } = this.#snapshot;
    this.#committed = new CommittedEntries(entries as Json[], String(status));
    this.#server = createServer((socket) => this.#connect(socket));
  }

  static async open(options: ReplayOptions): Promise<ReplayedPod> {
    const pod = new ReplayedPod(options);
    const folder = join(options.runtimeDir, options.name);
    await mkdir(folder, { mode: 0o700 });
    await new Promise<void>((resolve) => pod.#server.listen(join(folder, 'sock'), resolve));
    return pod;
  }

  /** Sends the next lines, up to the next line that the adapter has to send. */
  async play(): Promise<void> {
    for (; this.#at < this.#options.lines.length; this.#at += 1) {
      const { lane, line } = this.#options.lines[this.#at] as SampleLine;
      if (lane === 'client' && this.#options.isFromAdapter(line)) break;
      if (lane === 'eof') await this.close();
      if (lane !== 'event' && lane !== 'entry') continue;
      this.#committed.apply(String(line.event), (line.data ?? {}) as Json);
      if (this.#committed.replaced) await this.#writeReplaced();
      for (const lanes of this.#clients.values()) lanes.push(lane, JSON.stringify(line));
    }
    for (const resolve of this.#reached.splice(0)) resolve();
  }

  /** Resolves when the replay has stopped at a line that the adapter has to send. */
  paused(): Promise<void> {
    return new Promise((resolve) => this.#reached.push(resolve));
  }

  /** Closes the socket and all connections, as at the end of a process. */
  async close(): Promise<void> {
    this.#server.close();
    await rm(join(this.#options.runtimeDir, this.#options.name), { recursive: true, force: true });
    for (const [socket, lanes] of this.#clients) {
      lanes.flush();
      socket.end();
    }
  }

  /** The lines at the beginning of each connection: alerts, and then the snapshot. */
  get #connectLines(): readonly Json[] {
    return this.#options.lines
      .slice(
        0,
        this.#options.lines.findIndex(({ lane }) => lane !== 'connect'),
      )
      .map(({ line }) => line);
  }

  get #snapshot(): Json {
    return this.#connectLines.at(-1)?.data as Json;
  }

  #connect(socket: Socket): void {
    socket.on('error', () => {});
    socket.on('close', () => this.#clients.delete(socket));
    const { entries, status } = this.#committed;
    const greeting = { ...(this.#snapshot.greeting as Json), pod_name: this.#options.name };
    for (const line of this.#connectLines.slice(0, -1)) socket.write(`${JSON.stringify(line)}\n`);
    socket.write(
      `${JSON.stringify({ event: 'snapshot', data: { ...this.#snapshot, greeting, entries, status } })}\n`,
    );
    this.#clients.set(socket, new Lanes(socket, this.#random));
    let text = '';
    socket.on('data', (bytes) => {
      text += bytes.toString('utf8');
      const lines = text.split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) this.#take(JSON.parse(line) as Json);
    });
  }

  #take(method: Json): void {
    const next = this.#options.lines[this.#at];
    if (next?.lane === 'client' && isDeepStrictEqual(next.line, method)) {
      this.#at += 1;
      void this.play();
    } else if (method.method === 'shutdown') void this.close();
  }

  async #writeReplaced(): Promise<void> {
    const { replaced } = this.#committed;
    this.#committed.replaced = null;
    if (!replaced) return;
    const session = String(this.#committed.entries[0]?.session_id);
    const path = join(this.#options.dataDir, 'sessions', session, `${replaced.segment}.jsonl`);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, replaced.entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
  }
}
