import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { bundled } from '@worker-runtime/test-environment/bundled';
import type { PostgresStoreOptions } from '../src/index.ts';

const CHILD = await bundled(new URL('owner-child.ts', import.meta.url));

/** A line that a store acknowledged. */
export interface Acknowledged {
  readonly log: string;
  readonly seq: number;
  readonly text: string;
}

/** A process that appends to a store while it owns it. */
export class OwnerProcess {
  readonly acknowledged: Acknowledged[] = [];
  /** Resolves when the process owns the store. */
  readonly opened: Promise<void>;
  /** Resolves with the exit code, or the signal, of the process. */
  readonly ended: Promise<number | string | null>;
  /** The code that it printed about its loss. */
  loss: string | null = null;
  /** The last state of a plugin that the store acknowledged, once there is one. */
  state: string | null = null;
  readonly #child: ChildProcess;
  #waiting: { readonly count: number; readonly resolve: () => void } | null = null;

  constructor(options: PostgresStoreOptions, logs = 8) {
    this.#child = spawn(process.execPath, [CHILD, JSON.stringify(options), String(logs)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let open = (): void => {};
    this.opened = new Promise((resolve) => {
      open = resolve;
    });
    const lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream });
    lines.on('line', (line) => {
      const [what, log = '', seq, text = ''] = line.split(' ');
      if (what === 'open') open();
      else if (what === 'lost') this.loss = log;
      else if (what === 'state') this.state = log;
      else this.acknowledged.push({ log, seq: Number(seq), text });
      const { count = 0, resolve = () => {} } = this.#waiting ?? {};
      if (this.acknowledged.length >= count && this.state !== null) resolve();
    });
    this.ended = Promise.all([once(this.#child, 'exit'), once(lines, 'close')]).then(
      ([[code, signal]]) => (code ?? signal) as number | string | null,
    );
  }

  /** Resolves when this many more lines are acknowledged, and a state is. */
  async acknowledges(more: number): Promise<void> {
    const count = this.acknowledged.length + more;
    await new Promise<void>((resolve) => {
      this.#waiting = { count, resolve };
    });
    this.#waiting = null;
  }

  /** True if a state is one of this process, and not an earlier one than `since`. */
  hasKept(state: string, since: string | null): boolean {
    const [writer, count] = state.split('-');
    const [, earliest] = since?.split('-') ?? [];
    return writer === String(this.#child.pid) && Number(count) >= Number(earliest);
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }
}
