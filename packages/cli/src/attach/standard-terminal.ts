import type { Readable, Writable } from 'node:stream';

/** The input and output of an interactive command. */
export interface Terminal {
  readonly input: Readable & { readonly isTTY?: boolean; setRawMode?(isRaw: boolean): unknown };
  readonly output: Writable & { readonly columns?: number; readonly rows?: number };
  /** Calls back on Ctrl-C when it arrives as a signal and not as a key. Returns a function that stops this. */
  onInterrupt(callback: () => void): () => void;
}

export const standardTerminal: Terminal = {
  // a getter, because even access to process.stdin opens standard input
  get input() {
    return process.stdin;
  },
  get output() {
    return process.stdout;
  },
  onInterrupt: (callback) => {
    process.on('SIGINT', callback);
    return () => process.off('SIGINT', callback);
  },
};
