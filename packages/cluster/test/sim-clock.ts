import type { Clock } from '@worker-runtime/core';

interface Timer {
  readonly dueMs: number;
  readonly order: number;
  readonly callback: () => void;
  isCancelled: boolean;
}

/** A clock that a test advances. After each timer it lets promises run, and nothing else: there is no real input or output. */
export class SimClock implements Clock {
  #timers: Timer[] = [];
  #now = 0;
  #order = 0;

  now(): number {
    return this.#now;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = {
      dueMs: this.#now + Math.max(0, delayMs),
      order: this.#order++,
      callback,
      isCancelled: false,
    };
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#timers[middle] as Timer).dueMs <= timer.dueMs) low = middle + 1;
      else high = middle;
    }
    this.#timers.splice(low, 0, timer);
    return () => {
      timer.isCancelled = true;
    };
  }

  async advance(ms: number): Promise<void> {
    const targetMs = this.#now + ms;
    await settled();
    for (let timer = this.#timers[0]; timer && timer.dueMs <= targetMs; timer = this.#timers[0]) {
      this.#timers.shift();
      if (timer.isCancelled) continue;
      this.#now = timer.dueMs;
      timer.callback();
      await settled();
    }
    this.#now = targetMs;
  }
}

/** Lets all chains of promises run to their ends: they come before the next immediate. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** The clock of one process, which stands still while the process is paused. What was due then comes at its end, in order. */
export class ProcessClock implements Clock {
  readonly #clock: SimClock;
  #held: (() => void)[] = [];
  #isPaused = false;
  #isDead = false;

  constructor(clock: SimClock) {
    this.#clock = clock;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  now(): number {
    return this.#clock.now();
  }

  after(delayMs: number, callback: () => void): () => void {
    let isCancelled = false;
    const run = (): void => {
      if (!isCancelled) callback();
    };
    const cancel = this.#clock.after(delayMs, () => {
      if (this.#isDead) return;
      if (this.#isPaused) this.#held.push(run);
      else run();
    });
    return () => {
      isCancelled = true;
      cancel();
    };
  }

  pause(): void {
    this.#isPaused = true;
  }

  /** Continues. All that was due is called before anything else happens. */
  resume(): void {
    this.#isPaused = false;
    for (const run of this.#held.splice(0)) run();
  }

  /** Ends the process: nothing that it waits for comes. */
  kill(): void {
    this.#isDead = true;
  }
}
