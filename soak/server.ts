import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, readdirSync, readlinkSync, type WriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '@worker-runtime/test-environment/postgres-server';

const bin = fileURLToPath(new URL('../packages/cli/bin/worker-runtime.js', import.meta.url));

const collect = new URL('collect.ts', import.meta.url).href;

/** The resources that a process uses, as it reports them. */
export interface Usage {
  readonly heapBytes: number;
  readonly descriptors: number;
  /** The number of sockets among the descriptors. Unlike files, which the store keeps open, they show leaks. */
  readonly sockets: number;
}

/** Workers stay in memory for a minute (`idleUnloadMs`), and released memory is visible one round later. */
const IDLE_SECONDS = 130;

/** A server that takes longer for an answer about itself counts as not responsive. */
const RESPONSE_MS = 10_000;

/** A second process on the same store is refused within this time, or it has become ready. */
const INTRUSION_MS = 20_000;

const isInfo = (line: string): boolean => line.startsWith('{"level":30,');

/**
 * The real server as a process that can be ended and started again, always at the same address. Its log is a pipe whose
 * reader can stall.
 */
export class Server {
  readonly url: string;
  /** Rejects if the process ended by itself, which it never must. */
  readonly died: Promise<never>;
  readonly #args: readonly string[];
  readonly #log: WriteStream;
  #isLogStalled = false;
  #child: ChildProcess | null = null;
  #die: (error: Error) => void = () => {};

  private constructor(port: number, args: readonly string[], logPath: string) {
    this.url = `http://127.0.0.1:${port}`;
    this.#args = [...args, '--port', String(port)];
    this.#log = createWriteStream(logPath, { flags: 'a' });
    this.died = new Promise((_, reject) => {
      this.#die = reject;
    });
    this.died.catch(() => {});
  }

  static async at(logPath: string, ...args: readonly string[]): Promise<Server> {
    return new Server(await freePort(), [...args, 'serve'], logPath);
  }

  /** A host of a cluster, which has no store of its own. */
  static async hostAt(
    logPath: string,
    name: string,
    handOverS: number,
    ...args: readonly string[]
  ): Promise<Server> {
    const host = ['host', '--name', name, '--hand-over', String(handOverS)];
    return new Server(await freePort(), [...args, ...host], logPath);
  }

  /** Starts the process. Resolves when it is ready. @throws Error the process ended first */
  async start(): Promise<void> {
    const child = this.#spawn(this.#args);
    const { stdout } = child;
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

  /** Starts a second process on the same store, and ends it. Resolves with true if it became ready, which it never must. */
  async intrude(): Promise<boolean> {
    const child = this.#spawn([...this.#args.slice(0, -1), '0']);
    const exited = once(child, 'exit');
    const late = delay(INTRUSION_MS, 'late', { ref: false });
    const outcome = await Promise.race([once(child.stdout, 'data').then(() => 'ready'), exited, late]);
    child.kill('SIGKILL');
    await exited;
    return outcome === 'ready';
  }

  /** Stops the process without its knowledge, or lets it continue. */
  pause(isPaused: boolean): void {
    this.#child?.kill(isPaused ? 'SIGSTOP' : 'SIGCONT');
  }

  /** Stops or continues to read the log of this and later processes. */
  stallLog(isStalled: boolean): void {
    this.#isLogStalled = isStalled;
    if (isStalled) this.#child?.stderr?.pause();
    else this.#child?.stderr?.resume();
  }

  #spawn(serverArgs: readonly string[]) {
    // By default, the server logs an unhandled rejection and continues. Here it has to fail.
    const flags = [
      '--unhandled-rejections=strict',
      '--expose-gc',
      '--import',
      import.meta.resolve('tsx'),
      '--import',
      collect,
    ];
    const child = spawn(process.execPath, [...flags, bin, ...serverArgs], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const kill = (): boolean => child.kill('SIGKILL');
    process.once('exit', kill);
    child.once('exit', () => process.off('exit', kill));
    const { stderr } = child;
    createInterface({ input: stderr }).on('line', (line) => {
      if (!isInfo(line)) this.#log.write(`${line}\n`);
    });
    if (this.#isLogStalled) stderr.pause();
    return child;
  }

  /** Ends the process with a signal. Resolves with its exit code, or the signal that ended it; null if none was running. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | NodeJS.Signals | null> {
    const child = this.#child;
    if (!child) return null;
    this.#child = null;
    const ended = once(child, 'exit');
    child.kill('SIGCONT');
    child.kill(signal);
    const [code, endedBy] = (await ended) as [number | null, NodeJS.Signals | null];
    return code ?? endedBy;
  }

  /** True if the server answers within some seconds. */
  async isResponsive(): Promise<boolean> {
    try {
      return (await fetch(`${this.url}/livez`, { signal: AbortSignal.timeout(RESPONSE_MS) })).ok;
    } catch {
      return false;
    }
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
