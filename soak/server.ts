import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readdirSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const bin = fileURLToPath(new URL('../packages/cli/bin/worker-runtime.js', import.meta.url));

const collect = new URL('collect.ts', import.meta.url).href;

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { readonly port: number };
  server.close();
  return port;
};

/** What a process holds, as it says itself. */
export interface Holdings {
  readonly heapBytes: number;
  readonly descriptors: number;
  /** Of the descriptors; the store keeps files open as it sees fit. */
  readonly sockets: number;
}

/** Keys and lines of Workers stay in memory for a minute (`idleUnloadMs`), and what is let go is seen a round later. */
const IDLE_SECONDS = 130;

/** The real server, as a process that is ended in every way, at one address over all its lives. */
export class Server {
  readonly url: string;
  /** Rejects when it ended by itself: whatever comes, it does not. */
  readonly died: Promise<never>;
  lives = 0;
  readonly #args: readonly string[];
  readonly #log: number;
  #child: ChildProcess | null = null;
  #die: (error: Error) => void = () => {};

  private constructor(port: number, args: readonly string[], logPath: string) {
    this.url = `http://127.0.0.1:${port}`;
    this.#args = [...args, 'serve', '--port', String(port), '--log-level', 'warn'];
    this.#log = openSync(logPath, 'a');
    this.died = new Promise((_, reject) => {
      this.#die = reject;
    });
    this.died.catch(() => {});
  }

  static async at(logPath: string, ...args: readonly string[]): Promise<Server> {
    return new Server(await freePort(), args, logPath);
  }

  get isUp(): boolean {
    return this.#child !== null;
  }

  /** Resolves when it is ready. @throws where it ended instead */
  async start(): Promise<void> {
    // it would go on after a rejection that nobody handled; here that is a mistake of ours
    const flags = [
      '--unhandled-rejections=strict',
      '--expose-gc',
      '--import',
      import.meta.resolve('tsx'),
      '--import',
      collect,
    ];
    const args = [...flags, bin, ...this.#args];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', this.#log] });
    const { stdout } = child;
    if (stdout === null) throw new TypeError('a pipe was asked for');
    const kill = (): boolean => child.kill('SIGKILL');
    process.once('exit', kill);
    child.once('exit', () => process.off('exit', kill));
    this.lives += 1;
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`the server ended with ${String(code)} instead of being ready: see its log`);
    });
    await Promise.race([once(stdout, 'data'), ended]);
    ended.catch(() => {});
    stdout.resume();
    this.#child = child;
    child.once('exit', (code, signal) => {
      if (this.#child !== child) return;
      this.#child = null;
      this.#die(new Error(`the server ended by itself (${code ?? signal}): see its log`));
    });
  }

  /** Ends it by a signal. Resolves with its exit code, null for a killed one. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    const child = this.#child;
    if (!child) return null;
    this.#child = null;
    const ended = once(child, 'exit');
    child.kill(signal);
    const [code] = (await ended) as [number | null];
    return code;
  }

  async holdings(): Promise<Holdings> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    const metric = (name: string): number => Number(new RegExp(`^${name} (\\S+)`, 'm').exec(text)?.[1]);
    const links = readdirSync(`/proc/${this.#child?.pid}/fd`).map((fd) => this.#linkOf(fd));
    return {
      heapBytes: metric('nodejs_heap_size_used_bytes'),
      descriptors: metric('process_open_fds'),
      sockets: links.filter((link) => link.startsWith('socket:')).length,
    };
  }

  #linkOf(fd: string): string {
    try {
      return readlinkSync(`/proc/${this.#child?.pid}/fd/${fd}`);
    } catch {
      return 'closed meanwhile';
    }
  }

  /** The least that it holds over some seconds, without its garbage. */
  async leastHoldings(seconds: number): Promise<Holdings> {
    const most = Number.POSITIVE_INFINITY;
    let least: Holdings = { heapBytes: most, descriptors: most, sockets: most };
    for (let second = 0; second < seconds; second++) {
      this.#child?.kill('SIGUSR2');
      await delay(1_000);
      const now = await this.holdings();
      least = {
        heapBytes: Math.min(least.heapBytes, now.heapBytes),
        descriptors: Math.min(least.descriptors, now.descriptors),
        sockets: Math.min(least.sockets, now.sockets),
      };
    }
    return least;
  }

  /** What it holds when its clients are gone: their connections are kept for a while, and what is idle is let go. */
  async restingHoldings(sockets: number): Promise<Holdings> {
    let now = await this.leastHoldings(IDLE_SECONDS);
    for (let round = 0; round < 10 && now.sockets > sockets; round++) now = await this.leastHoldings(5);
    return now;
  }
}
