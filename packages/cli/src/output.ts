import { once } from 'node:events';

/** The output streams of a command. */
export interface Output {
  /** The width of the terminal that shows the answers. Absent if they go elsewhere. */
  readonly columns?: number | undefined;
  /** Writes an answer, to standard output. */
  print(text: string): void;
  /** Writes everything else, to standard error. */
  remark(text: string): void;
  /**
   * Resolves when there is room for more answers, or when the signal is aborted. A long answer waits for it, so that it
   * does not fill the memory of this process.
   */
  room?(signal: AbortSignal): Promise<void>;
}

export const standardOutput: Output = {
  get columns() {
    return process.stdout.columns;
  },
  print: (text) => console.log(text),
  remark: (text) => console.error(text),
  room: async (signal) => {
    if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain', { signal }).catch(() => {});
  },
};
