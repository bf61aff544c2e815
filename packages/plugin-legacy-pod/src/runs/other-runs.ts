import { setTimeout as delay } from 'node:timers/promises';
import { type EngineContext, type Run, type RunInput, RuntimeError } from '@worker-runtime/core';
import type { PodFeed } from '../link/pod-feed.ts';
import type { PodRedactor } from '../log/pod-redactor.ts';
import type { Said } from '../log/said.ts';
import { type SaidRun, splitRuns } from '../log/said-run.ts';
import type { PodStatus } from '../wire/pod-event.ts';

/** A run that the pod had without being asked by this runtime. `feed`: it is on. */
export interface OtherRun {
  readonly run: SaidRun;
  readonly feed: PodFeed | null;
  /** Whether what `run` says is streamed as well. */
  readonly stream: 'over' | 'follows';
}

/** Marks inputs that came to the pod by another way, so that they are told from those that go there. */
const FROM_POD = { origin: 'pod' } as const;

const FIRST_PAUSE_MS = 2;
const LAST_PAUSE_MS = 250;
const MOST_INPUT_CHARS = 200_000;

/** Whether the log says how a run ended, and nothing of it after that. */
const isOver = (run: SaidRun | undefined): boolean => {
  const last = run?.said.findLast(({ what }) => what !== 'usage' && what !== 'notice');
  return last?.what === 'end' && last.result !== 'paused' && last.result !== 'yielded';
};

/** The runs that nobody here asked for, waiting to be recorded one after the other, in the order of the pod's log. */
export class OtherRuns {
  readonly #context: EngineContext;
  readonly #redactor: PodRedactor;
  readonly #putBack: (said: readonly Said[]) => void;
  readonly #waiting: OtherRun[] = [];
  #isRecording = false;

  constructor(context: EngineContext, redactor: PodRedactor, putBack: (said: readonly Said[]) => void) {
    this.#context = context;
    this.#redactor = redactor;
    this.#putBack = putBack;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** With a `feed` the last one is on, unless the log of a pod that runs says that it is over. */
  add(said: readonly Said[], feed: PodFeed | null, stream: OtherRun['stream'], status: PodStatus): void {
    const runs = splitRuns(said);
    const isOn = feed !== null && !(stream === 'over' && status === 'running' && isOver(runs.at(-1)));
    const last = isOn ? runs.at(-1) : undefined;
    for (const run of last ? runs.slice(0, -1) : runs) this.#waiting.push({ run, feed: null, stream });
    if (feed) this.#waiting.push({ run: last ?? { input: null, said: [] }, feed, stream });
  }

  /** Runs that are over. One that is on waits until it is heard of. */
  addOver(said: readonly Said[]): void {
    const begin = said.findLastIndex(({ what }) => what === 'begin');
    const isOn = begin !== -1 && !isOver(splitRuns(said).at(-1));
    if (isOn) this.#putBack(said.slice(begin));
    this.add(isOn ? said.slice(0, begin) : said, null, 'over', 'idle');
  }

  /** The first run that began is the one that is heard; a later one will be. What stands before closed an earlier one. */
  addHeard(said: readonly Said[], feed: PodFeed): void {
    const first = said.findIndex(({ what }) => what === 'begin');
    const second = said.findIndex(({ what }, at) => what === 'begin' && at > first && first !== -1);
    if (second !== -1) this.#putBack(said.slice(second));
    const [run] = splitRuns(said.slice(Math.max(0, first), second === -1 ? undefined : second));
    const closing = said.slice(0, Math.max(0, first));
    this.#waiting.push({
      run: { input: run?.input ?? null, said: [...closing, ...(run?.said ?? [])] },
      feed,
      stream: 'follows',
    });
  }

  /** Begins them, one after the other. While a run of ours is on, they wait. Resolves when none is left. */
  async record(): Promise<void> {
    if (this.#isRecording) return;
    this.#isRecording = true;
    const { signal, log } = this.#context;
    let pauseMs = FIRST_PAUSE_MS;
    for (let next = this.#waiting[0]; next && !signal.aborted; next = this.#waiting[0]) {
      try {
        await this.#context.beginRun(this.#inputOf(next));
        pauseMs = FIRST_PAUSE_MS;
      } catch (error) {
        // what is retryable: not attached yet, or busy with a run of ours
        if (!RuntimeError.from(error).retryable) {
          log.error({ err: error }, 'A run of a pod could not be recorded');
          this.#waiting.shift();
        }
        await delay(pauseMs, undefined, { signal }).catch(() => {});
        pauseMs = Math.min(pauseMs * 2, LAST_PAUSE_MS);
      }
    }
    this.#isRecording = false;
  }

  /** The one that this run was begun for; null where somebody asked for it here. */
  take({ input }: Run): OtherRun | null {
    const [next] = this.#waiting;
    if (!next || !this.#isRecording) return null;
    const begun = this.#inputOf(next);
    const isNext =
      input && begun
        ? input.metadata?.origin === FROM_POD.origin && input.parts[0]?.text === begun.parts[0]?.text
        : !input && !begun;
    return isNext ? (this.#waiting.shift() ?? null) : null;
  }

  /** All that wait, for a run of ours that came first. */
  takeAll(): readonly OtherRun[] {
    return this.#waiting.splice(0);
  }

  #inputOf({ run }: OtherRun): RunInput | undefined {
    if (!run.input) return undefined;
    const text = this.#redactor.text(run.input.text.slice(0, MOST_INPUT_CHARS));
    return { role: run.input.role, parts: [{ type: 'text', text }], metadata: FROM_POD };
  }
}
