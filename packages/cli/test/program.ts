/** Runs the command as its users do: in a process of its own, bundled by `npm test`, or else compiled. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';

/** The program in the folder that `npm test` names, or else the build. From its sources, it would start far slower. */
export const main = fileURLToPath(
  new URL(join('..', process.env.TESTED_FOLDER ?? '.', 'bin/worker-runtime.js'), import.meta.url),
);

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Creates a folder for one test. It is the working directory and the home of the program. */
export const makePlace = async (t: ExecutionContext): Promise<string> => {
  const place = await mkdtemp(join(tmpdir(), 'worker-runtime-cli-'));
  // child processes of a killed runtime end by themselves, and may write until then
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
    /** The beginning of the command line, of a program that runs this one. */
    within: readonly string[] = [],
  ) {
    const [file, ...rest] = [...within, process.execPath, main, ...args];
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('WORKER_RUNTIME_'));
    this.#child = spawn(file ?? '', rest, {
      cwd: place,
      env: {
        ...Object.fromEntries(inherited),
        HOME: place,
        XDG_DATA_HOME: join(place, 'data'),
        // a served runtime survives unhandled rejections, but in a test they are faults of this project
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

  /** Closes the pipes to which the program writes, as a terminal that closes does. */
  closeOutput(): void {
    this.#child.stdout.destroy();
    this.#child.stderr.destroy();
  }

  /** Resolves with the match of `pattern` as soon as the output contains it. Rejects if the program ends without it. */
  async prints(pattern: RegExp, stream: 'stdout' | 'stderr' = 'stdout'): Promise<RegExpExecArray> {
    const printed = (): string => (stream === 'stdout' ? this.#stdout : this.#stderr);
    const hasEnded = this.ended.then(() => 'ended' as const);
    for (;;) {
      const found = pattern.exec(printed());
      if (found !== null) return found;
      const next = await Promise.race([once(this.#child[stream], 'data'), hasEnded]);
      if (next === 'ended' && pattern.exec(printed()) === null)
        throw new Error(`the program ended without printing ${pattern}:\n${this.#stdout}${this.#stderr}`);
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

/** Starts a runtime on a free port and waits until it is ready. */
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
  if (url === undefined || runtimeId === undefined) throw new TypeError('the pattern has both groups');
  return { program, line, url, runtimeId };
};

export interface Answer<T> {
  readonly status: number;
  readonly body: T;
}

/** Sends one request, as any HTTP client would. */
export const request = async <T = Record<string, unknown>>(
  url: string,
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer<T>> => {
  const response = await fetch(`${url}/v1/runtimes/self${path}`, {
    method,
    headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as T };
};
