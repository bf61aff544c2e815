import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, open, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  type CreateWorker,
  engine,
  type Logger,
  memoryStore,
  type Observation,
  Runtime,
  type RuntimeStore,
  silentLogger,
  type TranscriptItem,
  type WorkerDetail,
  type WorkerEvent,
} from '@worker-runtime/core';
import { type LegacyPodOptions, legacyPod } from '../src/index.ts';
import { PodConnection, takeSnapshot } from '../src/wire/pod-connection.ts';
import type { PodSnapshot } from '../src/wire/pod-event.ts';
import type { PodMethod } from '../src/wire/pod-method.ts';
import type { FakeScript } from './fake-pod/script.ts';

const here = dirname(fileURLToPath(import.meta.url));

/** Compiles the fake pod to JavaScript once, so that it starts in a tenth of the time. */
const compiled = (async (): Promise<string> => {
  const out = await mkdtemp(join(tmpdir(), 'fp-'));
  process.once('exit', () => rmSync(out, { recursive: true, force: true }));
  const folder = join(here, 'fake-pod');
  const files = (await readdir(folder)).map((file) => join(folder, file));
  const compiler = createRequire(import.meta.url).resolve('typescript/package.json');
  const options =
    '--ignoreConfig --noCheck --module nodenext --target es2023 --rewriteRelativeImportExtensions --types node';
  await promisify(execFile)(process.execPath, [
    join(dirname(compiler), 'bin', 'tsc'),
    ...options.split(' '),
    '--outDir',
    out,
    ...files,
  ]);
  await writeFile(join(out, 'package.json'), '{"type":"module"}');
  return join(out, 'main.js');
})();

export interface SceneOptions {
  readonly script?: FakeScript;
  readonly options?: Partial<LegacyPodOptions>;
  readonly log?: Logger;
  /** The time that a stop may take before the execution is detached, in milliseconds. */
  readonly stopDeadlineMs?: number;
}

/** A set of directories with fake pods, on which several runtimes can be started one after another. */
export class PodScene {
  readonly root: string;
  readonly dataDir: string;
  readonly runtimeDir: string;
  readonly workspace: string;
  readonly #program: string;
  readonly #options: SceneOptions;
  readonly #runtimes: Runtime[] = [];
  readonly #clients: PodConnection[] = [];

  private constructor(root: string, program: string, options: SceneOptions) {
    this.root = root;
    this.#program = program;
    this.#options = options;
    this.dataDir = join(root, 'data');
    this.runtimeDir = join(root, 'run');
    this.workspace = join(root, 'ws');
  }

  static async open(options: SceneOptions = {}): Promise<PodScene> {
    // The path is short, because the length of a socket's path is limited.
    const root = await realpath(await mkdtemp(join(tmpdir(), 'lp')));
    const scene = new PodScene(root, await compiled, options);
    await mkdir(scene.workspace);
    await mkdir(scene.runtimeDir, { mode: 0o700 });
    await mkdir(scene.dataDir);
    await scene.setScript(options.script ?? {});
    return scene;
  }

  get scriptPath(): string {
    return join(this.root, 'script.json');
  }

  get command(): readonly string[] {
    return [process.execPath, this.#program, '--fake', this.scriptPath];
  }

  /** Returns the path of a gate. A scripted run waits until a file exists there. */
  gate(name: string): string {
    return join(this.root, `gate-${name}`);
  }

  openGate(name: string): Promise<void> {
    return writeFile(this.gate(name), '');
  }

  setScript(script: FakeScript): Promise<void> {
    return writeFile(this.scriptPath, JSON.stringify(script));
  }

  plugin(more: SceneOptions['options'] = {}) {
    return legacyPod({
      command: this.command,
      dataDir: this.dataDir,
      runtimeDir: this.runtimeDir,
      roots: [this.root],
      readyMs: 10_000,
      acceptMs: 5_000,
      shutdownMs: 5_000,
      interruptMs: 1_000,
      ...this.#options.options,
      ...more,
    });
  }

  async start(store: RuntimeStore = memoryStore(), more: SceneOptions['options'] = {}) {
    const legacy = this.plugin(more);
    const runtime = new Runtime({
      plugins: [
        legacy,
        { name: 'store', apply: (host) => host.useStore(store) },
        { name: 'idle', apply: (host) => host.useEngine(engine('idle', async function* () {})) },
      ],
      log: this.#options.log ?? silentLogger,
      limits: { stopDeadlineMs: this.#options.stopDeadlineMs ?? 5_000 },
    });
    await runtime.start();
    this.#runtimes.push(runtime);
    return { runtime, legacy, store };
  }

  create(runtime: Runtime, more: Partial<CreateWorker> = {}) {
    return runtime.createWorker({ engine: 'legacy-pod', config: { workspace: this.workspace }, ...more });
  }

  /** Starts a pod as the old clients did. Resolves when the pod accepts connections. */
  async startPod(
    name: string,
    workspace: string = this.workspace,
    more: readonly string[] = [],
  ): Promise<ChildProcess> {
    const [program = '', ...leading] = this.command;
    const errorPath = join(this.root, `${name}.stderr`);
    const log = await open(errorPath, 'w');
    const child = spawn(program, [...leading, 'pod', '--workspace', workspace, '--pod', name, ...more], {
      detached: true,
      stdio: ['ignore', 'ignore', log.fd],
      env: { ...process.env, YOI_DATA_DIR: this.dataDir, YOI_RUNTIME_DIR: this.runtimeDir },
    });
    const ended = once(child, 'close').then(() => true);
    await log.close();
    const isReady = until(() => accepts(join(this.runtimeDir, name, 'sock'))).then(() => false);
    if (await Promise.race([ended, isReady])) throw new Error(await readFile(errorPath, 'utf8'));
    return child;
  }

  /** Returns the present segment of a pod. */
  async segmentOf(name: string): Promise<string> {
    const text = await readFile(join(this.dataDir, 'pods', name, 'metadata.json'), 'utf8');
    return (JSON.parse(text) as { readonly active: { readonly segment_id: string } }).active.segment_id;
  }

  /** Connects another client to a pod. */
  async attach(
    name: string,
  ): Promise<{ readonly send: (method: { readonly method: string; readonly params?: unknown }) => void }> {
    const { connection } = await PodConnection.open(join(this.runtimeDir, name, 'sock'), name, 5_000, {
      onEvent: () => {},
      onClose: () => {},
    });
    this.#clients.push(connection);
    return { send: (method) => connection.send(method as PodMethod) };
  }

  /** Returns the present snapshot of a pod. */
  snapshotOf(name: string): Promise<PodSnapshot> {
    return takeSnapshot(join(this.runtimeDir, name, 'sock'), name, 5_000);
  }

  async pids(): Promise<readonly number[]> {
    const pids: number[] = [];
    for (const name of await readdir(this.runtimeDir).catch(() => [])) {
      const text = await readFile(join(this.runtimeDir, name, 'pid'), 'utf8').catch(() => '');
      if (text !== '') pids.push(Number(text));
    }
    return pids;
  }

  async names(): Promise<readonly string[]> {
    return readdir(join(this.dataDir, 'pods')).catch(() => []);
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.close();
    for (const runtime of this.#runtimes) await runtime.stop({ deadlineMs: 1_000 }).catch(() => {});
    for (const pid of await this.pids()) {
      try {
        process.kill(-pid, 'SIGKILL');
      } catch {
        // The process ended in the meantime.
      }
    }
    await rm(this.root, { recursive: true, force: true, maxRetries: 10 });
  }
}

/** Waits until a condition holds. Polls, because files and processes send no events. */
export const until = async (holds: () => Promise<boolean> | boolean): Promise<void> => {
  const end = Date.now() + 20_000;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error('The condition did not hold within 20 s');
    await setTimeout(10);
  }
};

const accepts = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });

export const isGone = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
};

/** Observes a Worker from its beginning until a condition holds. */
export const observeUntil = async (
  runtime: Runtime,
  workerId: string,
  holds: (events: readonly WorkerEvent[], all: readonly Observation[]) => boolean,
): Promise<{ readonly events: readonly WorkerEvent[]; readonly all: readonly Observation[] }> => {
  const events: WorkerEvent[] = [];
  const all: Observation[] = [];
  const signal = AbortSignal.timeout(20_000);
  for await (const one of runtime.observe(workerId, { after: 'start', signal })) {
    all.push(one);
    if (one.type === 'event') events.push(one.event);
    if (holds(events, all)) return { events, all };
  }
  throw new Error(`The condition did not hold within 20 s: ${events.map(({ type }) => type).join(' ')}`);
};

export const finishedRuns = (events: readonly WorkerEvent[]) =>
  events.flatMap((event) => (event.type === 'run.finished' ? [event] : []));

/** Observes a Worker until `count` runs have finished. */
export const runsFinished = (runtime: Runtime, workerId: string, count: number) =>
  observeUntil(runtime, workerId, (events) => finishedRuns(events).length >= count);

/** Summarizes a transcript without the ends of runs as lines: `user: Hello`, `assistant: Hi`, `call Read`, `result "ok"`. */
const linesOf = (items: readonly TranscriptItem[]): readonly string[] =>
  items.flatMap((item) =>
    item.parts.flatMap((part) => {
      switch (part.type) {
        case 'run-end':
          return [];
        case 'text':
          return `${item.role}: ${part.text}${item.partial ? ' …' : ''}`;
        case 'reasoning':
          return `thinks: ${part.text}`;
        case 'tool-call':
          return `call ${part.name}`;
        case 'tool-result':
          return `result ${part.output === undefined ? `error ${part.error}` : JSON.stringify(part.output)}`;
        default:
          return part.type;
      }
    }),
  );

export const transcriptOf = async (runtime: Runtime, workerId: string): Promise<readonly string[]> =>
  linesOf((await runtime.transcript(workerId, { limit: 1_000 })).items);

export const idOf = ({ worker }: { readonly worker: WorkerDetail }): string => worker.workerId;
