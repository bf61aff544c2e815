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

/** The resources that a process uses, as it reports them. */
export interface Usage {
  readonly heapBytes: number;
  readonly descriptors: number;
  /** The number of sockets among the descriptors. Unlike files, which the store keeps open, they show leaks. */
  readonly sockets: number;
}

/** Workers stay in memory for a minute (`idleUnloadMs`), and released memory is visible one round later. */
const IDLE_SECONDS = 130;

/** The real server as a process that can be ended and started again, always at the same address. */
export class Server {
  readonly url: string;
  /** Rejects if the process ended by itself, which it never must. */
  readonly died: Promise<never>;
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

  /** Starts the process. Resolves when it is ready. @throws Error the process ended first */
  async start(): Promise<void> {
    // By default, the server logs an unhandled rejection and continues. Here it has to fail.
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
    if (stdout === null) throw new TypeError('The process has no standard output pipe');
    const kill = (): boolean => child.kill('SIGKILL');
    process.once('exit', kill);
    child.once('exit', () => process.off('exit', kill));
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`The server ended with ${String(code)} before it was ready: see its log`);
    });
    await Promise.race([once(stdout, 'data'), ended]);
    ended.catch(() => {});
    stdout.resume();
    this.#child = child;
    child.once('exit', (code, signal) => {
      if (this.#child !== child) return;
      this.#child = null;
      this.#die(new Error(`The server ended by itself (${code ?? signal}): see its log`));
    });
  }

  /** Ends the process with a signal. Resolves with its exit code, or null if it was killed. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    const child = this.#child;
    if (!child) return null;
    this.#child = null;
    const ended = once(child, 'exit');
    child.kill(signal);
    const [code] = (await ended) as [number | null];
    return code;
  }

  async usage(): Promise<Usage> {
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
      return 'closed';
    }
  }

  /** Returns the least of each resource over some seconds, after garbage collection. */
  async leastUsage(seconds: number): Promise<Usage> {
    const infinity = Number.POSITIVE_INFINITY;
    let least: Usage = { heapBytes: infinity, descriptors: infinity, sockets: infinity };
    for (let second = 0; second < seconds; second++) {
      this.#child?.kill('SIGUSR2');
      await delay(1_000);
      const now = await this.usage();
      least = {
        heapBytes: Math.min(least.heapBytes, now.heapBytes),
        descriptors: Math.min(least.descriptors, now.descriptors),
        sockets: Math.min(least.sockets, now.sockets),
      };
    }
    return least;
  }

  /**
   * Returns the resources after its clients have left, its idle Workers are unloaded and its connections are closed.
   */
  async restingUsage(sockets: number): Promise<Usage> {
    let now = await this.leastUsage(IDLE_SECONDS);
    for (let round = 0; round < 10 && now.sockets > sockets; round++) now = await this.leastUsage(5);
    return now;
  }
}
