import { engine, Runtime, type RuntimePlugin } from '@worker-runtime/core';

export const WORKERS = 64;
export const TEXT = 'x'.repeat(100);
const workerIds = Array.from({ length: WORKERS }, (_, index) => `worker-${index}`);

/* The bytes of one job. They are as long as the lines of a real job, in the same three commits. */

const id = (prefix: string): string => `${prefix}_${'0'.repeat(26)}`;
const line = (type: string, data: object): string =>
  `${JSON.stringify({ seq: 1000, time: new Date(0).toISOString(), worker: 'worker-10', type, run: id('run'), data })}\n`;
const message = line('message.completed', {
  message: id('msg'),
  role: 'assistant',
  parts: [{ id: id('part'), type: 'text', text: TEXT }],
});
export const MESSAGE = Buffer.from(message);
export const JOB: readonly Uint8Array[] = [
  Buffer.from(
    line('input.accepted', {
      input: id('input'),
      role: 'user',
      parts: [{ type: 'text', text: TEXT }],
      queued: false,
    }) + line('run.started', { input: id('input'), origin: 'input', generation: 1 }),
  ),
  MESSAGE,
  Buffer.from(line('run.finished', { outcome: 'completed' })),
];

export interface Talkers {
  readonly runtime: Runtime;
  /** Sends one input and waits for its run to end. */
  readonly job: (workerId: string) => Promise<void>;
}

/** Starts a runtime whose Workers answer each input with `perRun` messages, one at a time. */
export const startTalkers = async (
  perRun: number,
  ...plugins: readonly RuntimePlugin[]
): Promise<Talkers> => {
  const talker = engine('talker', async function* () {
    for (let at = 0; at < perRun; at++) yield { type: 'message', parts: [{ type: 'text', text: TEXT }] };
  });
  const ends = new Map<string, () => void>();
  const plugin: RuntimePlugin = {
    name: 'talker',
    apply(host) {
      host.useEngine(talker);
      host.hooks.committed.tap(({ workerId, events }) => {
        if (events.at(-1)?.type === 'run.finished') ends.get(workerId)?.();
      });
    },
  };
  const runtime = await Runtime.start({ plugins: [...plugins, plugin] });
  await Promise.all(workerIds.map((workerId) => runtime.createWorker({ engine: 'talker', workerId })));
  const job = async (workerId: string): Promise<void> => {
    const ended = new Promise<void>((resolve) => ends.set(workerId, resolve));
    await runtime.sendInput(workerId, { text: TEXT });
    await ended;
  };
  return { runtime, job };
};

/** Runs an action `times` times for each Worker: concurrently across Workers, one after the other for each Worker. */
export const forAll = async (times: number, act: (workerId: string) => Promise<void>): Promise<void> => {
  await Promise.all(
    workerIds.map(async (workerId) => {
      for (let at = 0; at < times; at++) await act(workerId);
    }),
  );
};
