/** The command as its users run it: a process of its own, from the sources. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
/** What the command is started with, from its sources, in any folder. */
export const flags = ['--import', import.meta.resolve('tsx'), '--conditions=@worker-runtime/source', main];

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder of the test's own: where the program runs, and its home. */
export const makePlace = async (t: ExecutionContext): Promise<string> => {
  const place = await mkdtemp(join(tmpdir(), 'worker-runtime-cli-'));
  // what a killed runtime leaves behind ends by itself, and may write until then
  t.teardown(() => rm(place, { recursive: true, force: true, maxRetries: 10 }));
  return place;
};

export class Program {
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  #stdout = '';
  #stderr = '';

  constructor(
    t: ExecutionContext,
    place: string,
    args: readonly string[],
    variables: Readonly<Record<string, string>> = {},
  ) {
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('WORKER_RUNTIME_'));
    this.#child = spawn(process.execPath, [...flags, ...args], {
      cwd: place,
      env: {
        ...Object.fromEntries(inherited),
        HOME: place,
        XDG_DATA_HOME: join(place, 'data'),
        // what a served runtime survives is a mistake all the same, where it is one of ours
        NODE_OPTIONS: '--unhandled-rejections=strict',
        ...variables,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
    });
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    this.ended = once(this.#child, 'close').then(([code, signal]) => ({
      code: code as number | null,
      signal: signal as NodeJS.Signals | null,
      stdout: this.#stdout,
      stderr: this.#stderr,
    }));
    t.teardown(async () => {
      this.kill('SIGKILL');
      await this.ended;
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** What `pattern` finds in the output, as soon as it is there. Rejects when the program ends without it. */
  async prints(pattern: RegExp, stream: 'stdout' | 'stderr' = 'stdout'): Promise<RegExpExecArray> {
    const printed = (): string => (stream === 'stdout' ? this.#stdout : this.#stderr);
    const hasEnded = this.ended.then(() => 'ended' as const);
    for (;;) {
      const found = pattern.exec(printed());
      if (found !== null) return found;
      const next = await Promise.race([once(this.#child[stream], 'data'), hasEnded]);
      if (next === 'ended' && pattern.exec(printed()) === null)
        throw new Error(`ended without ${pattern}:\n${this.#stdout}${this.#stderr}`);
    }
  }
}

/** Runs a command to its end. */
export const run = (
  t: ExecutionContext,
  place: string,
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<Ended> => new Program(t, place, args, variables).ended;

export interface Served {
  readonly program: Program;
  readonly line: string;
  readonly url: string;
  readonly runtimeId: string;
}

/** A runtime on a free port, once it is ready. */
export const serve = async (
  t: ExecutionContext,
  place: string,
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<Served> => {
  const program = new Program(t, place, [...args, 'serve', '--port', '0'], variables);
  const [line, url, runtimeId] = await program.prints(
    /^worker-runtime listening on (http:\S+) \(runtime (\w+), store .*\)$/m,
  );
  if (url === undefined || runtimeId === undefined) throw new TypeError('the pattern has both');
  return { program, line, url, runtimeId };
};

export interface Answered<T> {
  readonly status: number;
  readonly body: T;
}

/** One request as any HTTP client would make it. */
export const request = async <T = Record<string, unknown>>(
  url: string,
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answered<T>> => {
  const response = await fetch(`${url}/v1/runtimes/self${path}`, {
    method,
    headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as T };
};
