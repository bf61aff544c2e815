import { mkdir, mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Runtime, type WorkerEvent } from '@worker-runtime/core';
import test from 'ava';
import { legacyPod } from '../../src/index.ts';
import type { Json } from '../fake-pod/disk.ts';
import { finishedRuns, observeUntil, transcriptOf } from '../pod-scene.ts';
import { ReplayedPod, type SampleLine } from '../replayed-pod.ts';

const SEEDS = 50;

const samples = async (name: string): Promise<readonly SampleLine[]> => {
  const path = fileURLToPath(new URL(`../fixtures/scenarios/${name}.jsonl`, import.meta.url));
  return (await readFile(path, 'utf8'))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as SampleLine);
};

interface Play {
  readonly runtime: Runtime;
  readonly workerId: string;
  readonly pod: ReplayedPod;
  /** Waits until `count` runs have finished, including the runs before the adoption. */
  readonly finished: (count: number) => Promise<readonly WorkerEvent[]>;
}

interface Scenario {
  /** The file of the dialogue. Default: the name of the scenario. */
  readonly sample?: string;
  /** The methods that the adapter sends. Another client sends the other methods. */
  readonly adapterMethods: readonly string[];
  /** The number of runs that had ended before the adoption. */
  readonly before?: number;
  readonly play: (play: Play) => Promise<unknown>;
  readonly transcript: readonly string[];
  readonly outcomes: readonly string[];
  /** The codes of the recorded notices. */
  readonly notices?: readonly string[];
  readonly errors?: readonly string[];
}

const HELLO = ['user: Hello', 'assistant: Hello World'];

const READING = [
  ...HELLO,
  'user: read @src/main.rs',
  'thinks: **Inspecting the file**',
  'call Read',
  'result "     1\\tfn main() {}\\n"',
  'assistant: It is an empty main function.',
];

const LONG_JOB = [
  ...HELLO,
  'user: run the long job',
  'assistant: I start the job.',
  'call Bash',
  'result "done\\n"',
  'assistant: The job is done.',
];

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  '01-fresh-first-run': {
    adapterMethods: ['run'],
    play: ({ runtime, workerId }) => runtime.sendInput(workerId, { text: 'Hello' }, { waitMs: 10_000 }),
    transcript: HELLO,
    outcomes: ['completed'],
  },
  '02-tool-run': {
    adapterMethods: [],
    before: 1,
    play: ({ finished }) => finished(2),
    transcript: READING,
    outcomes: ['completed', 'completed'],
    notices: ['POD_ATTACHMENT'],
  },
  // A pod repeats its alerts on every connection, also on the short ones that read the log.
  '02-alerts-before-snapshot': {
    adapterMethods: [],
    before: 1,
    play: ({ finished }) => finished(2),
    transcript: READING,
    outcomes: ['completed', 'completed'],
    notices: ['POD_ALERT', 'POD_ALERT', 'POD_ATTACHMENT'],
  },
  '03-paused-then-resumed': {
    adapterMethods: [],
    before: 1,
    play: ({ finished }) => finished(2),
    transcript: LONG_JOB,
    outcomes: ['completed', 'completed'],
  },
  '03-paused-then-resumed, requested here': {
    sample: '03-paused-then-resumed',
    adapterMethods: ['run'],
    before: 1,
    play: ({ runtime, workerId }) =>
      runtime.sendInput(workerId, { text: 'run the long job' }, { waitMs: 10_000 }),
    transcript: LONG_JOB,
    outcomes: ['completed', 'completed'],
  },
  '03-paused-then-resumed, resumed here': {
    sample: '03-paused-then-resumed',
    adapterMethods: ['resume'],
    before: 1,
    play: async ({ runtime, workerId, finished }) => {
      const { events } = await observeUntil(runtime, workerId, (seen) =>
        seen.some(({ type }) => type === 'request.opened'),
      );
      const opened = events.find(({ type }) => type === 'request.opened');
      if (opened?.type === 'request.opened')
        await runtime.respond(workerId, opened.data.request, { decision: 'resume' });
      return finished(2);
    },
    transcript: LONG_JOB,
    outcomes: ['completed', 'completed'],
  },
  '03-paused-twice': {
    adapterMethods: [],
    before: 1,
    play: ({ finished }) => finished(2),
    transcript: [
      ...LONG_JOB.slice(0, -2),
      'result "one"',
      'assistant: One is done.',
      'call Bash',
      'result "two"',
      'assistant: Both are done.',
    ],
    outcomes: ['completed', 'completed'],
  },
  '03-paused-then-replaced': {
    adapterMethods: [],
    before: 1,
    play: ({ finished }) => finished(3),
    transcript: [
      ...LONG_JOB.slice(0, -2),
      'result "[Interrupted by user]"',
      'user: something else',
      'assistant: Sure.',
    ],
    outcomes: ['completed', 'completed', 'completed'],
    notices: ['POD_PAUSE_ENDED'],
  },
  '04-paused-then-cancel': {
    adapterMethods: ['cancel'],
    before: 1,
    play: async ({ runtime, workerId, finished }) => {
      const { events } = await observeUntil(runtime, workerId, (seen) =>
        seen.some(({ type }) => type === 'request.opened'),
      );
      const opened = events.find(({ type }) => type === 'request.opened');
      if (opened?.type === 'request.opened')
        await runtime.respond(workerId, opened.data.request, { decision: 'abandon' });
      return finished(2);
    },
    transcript: [...HELLO, 'user: run the long job', 'call Bash', 'result "[Interrupted by user]"'],
    outcomes: ['completed', 'cancelled'],
    notices: ['POD_RUN_ABANDONED'],
  },
  '05-cancel-before-any-output': {
    adapterMethods: ['run', 'cancel'],
    before: 1,
    play: async ({ runtime, workerId, pod }) => {
      const paused = pod.paused();
      await runtime.sendInput(workerId, { text: 'rollback me' });
      await paused;
      return runtime.cancelRun(workerId);
    },
    transcript: [...HELLO, 'user: rollback me'],
    outcomes: ['completed', 'cancelled'],
  },
  '07-provider-stream-error': {
    adapterMethods: ['run'],
    before: 1,
    play: ({ runtime, workerId }) => runtime.sendInput(workerId, { text: 'ping' }, { waitMs: 10_000 }),
    transcript: [...HELLO, 'user: ping'],
    outcomes: ['completed', 'failed'],
    errors: ['CONTEXT_LIMIT'],
  },
  '09-notify-auto-run': {
    adapterMethods: ['notify'],
    before: 1,
    play: ({ runtime, workerId }) =>
      runtime.sendInput(workerId, { text: 'turn finished', role: 'system' }, { waitMs: 10_000 }),
    transcript: [...HELLO, 'system: turn finished', 'assistant: Noted.'],
    outcomes: ['completed', 'completed'],
  },
  '10-manual-compact': {
    adapterMethods: [],
    before: 4,
    play: ({ finished }) => finished(4),
    transcript: [
      ...HELLO,
      'user: read @src/main.rs',
      'thinks: **Inspecting the file**',
      'call Read',
      'result "     1\\tfn main() {}\\n"',
      'assistant: It is an empty main function.',
      'user: run the long job',
      'call Bash',
      'result "[Interrupted by user]"',
      'system: turn finished',
      'assistant: Noted.',
    ],
    outcomes: ['completed', 'completed', 'cancelled', 'completed'],
    notices: ['POD_ATTACHMENT', 'POD_RUN_ABANDONED'],
  },
  '11-compact-skipped': { adapterMethods: [], play: async () => {}, transcript: [], outcomes: [] },
  '12-rejections': {
    adapterMethods: ['run'],
    play: async ({ runtime, workerId, pod }) => {
      const paused = pod.paused();
      await runtime.sendInput(workerId, { text: 'Hello' });
      await paused;
      return runtime.stopWorker(workerId);
    },
    transcript: ['user: Hello'],
    outcomes: ['cancelled'],
  },
  '13-rewind': {
    adapterMethods: [],
    before: 1,
    play: ({ finished }) => finished(1),
    transcript: HELLO,
    outcomes: ['completed'],
  },
  '14-shutdown-idle': {
    adapterMethods: [],
    before: 1,
    play: ({ runtime, workerId }) =>
      observeUntil(runtime, workerId, (events) => events.some(({ type }) => type === 'execution.detached')),
    transcript: HELLO,
    outcomes: ['completed'],
  },
  '17-completions': { adapterMethods: [], play: async () => {}, transcript: [], outcomes: [] },
};

for (const [name, scenario] of Object.entries(SCENARIOS)) {
  test(`${name} makes the same log for ${SEEDS} orders of its lanes`, async (t) => {
    const root = await realpath(await mkdtemp(join(tmpdir(), 'lps')));
    const [runtimeDir, dataDir] = [join(root, 'run'), join(root, 'data')];
    await Promise.all([mkdir(runtimeDir, { mode: 0o700 }), mkdir(dataDir)]);
    const legacy = legacyPod({ command: 'none', dataDir, runtimeDir, shutdownMs: 500 });
    const runtime = await Runtime.start({ plugins: [legacy] });
    t.teardown(async () => {
      await runtime.stop();
      await rm(root, { recursive: true, force: true });
    });
    const lines = await samples(scenario.sample ?? name);
    const replay = async (seed: number): Promise<void> => {
      const pod = await ReplayedPod.open({
        lines,
        name: `pod${seed}`,
        runtimeDir,
        dataDir,
        seed,
        isFromAdapter: ({ method }: Json) => scenario.adapterMethods.includes(String(method)),
      });
      t.teardown(() => pod.close());
      const [found] = (await legacy.list()).filter(({ workerId }) => workerId === null);
      const ref = found?.ref ?? '';
      const { worker } = await runtime.createWorker({ engine: 'legacy-pod', config: { adopt: ref } });
      const { workerId } = worker;
      const finished = async (count: number) =>
        (await observeUntil(runtime, workerId, (events) => finishedRuns(events).length >= count)).events;
      // The earlier conversation is recorded first.
      await finished(scenario.before ?? 0);
      await pod.play();
      await scenario.play({ runtime, workerId, pod, finished });
      const { items } = await runtime.events(workerId, { after: 'start', limit: 1_000 });
      const ends = finishedRuns(items);
      t.deepEqual(await transcriptOf(runtime, workerId), scenario.transcript, `seed ${seed}`);
      t.deepEqual(
        ends.map(({ data }) => data.outcome),
        [...scenario.outcomes],
        `seed ${seed}`,
      );
      const codes = items.flatMap((event) => (event.type === 'diagnostic.recorded' ? [event.data.code] : []));
      t.deepEqual(codes, [...(scenario.notices ?? [])], `seed ${seed}`);
      t.deepEqual(
        ends.flatMap(({ data }) => data.error?.code ?? []),
        [...(scenario.errors ?? [])],
      );
      await runtime.stopWorker(workerId);
    };
    for (let seed = 1; seed <= SEEDS; seed += 1) await replay(seed);
  });
}
