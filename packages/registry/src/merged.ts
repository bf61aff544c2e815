/** Several sources of items as one. */
export interface Merged<T> {
  /** Aborts when the reader has ended. */
  readonly signal: AbortSignal;
  /** Adds a source, which is read only as fast as the reader takes its items. Settles when the source has ended. */
  add(source: AsyncIterable<T>, failed: (error: unknown) => void): Promise<void>;
  /** Adds an item. One with the same key that is still waiting is replaced. */
  push(key: string, item: T): void;
  /** The items of all sources, for one reader. */
  items(): AsyncGenerator<T>;
  close(): void;
}

/** Merges sources into one, with one waiting item for each source and each key. */
export const merged = <T>(signal?: AbortSignal): Merged<T> => {
  const abort = new AbortController();
  const all = signal ? AbortSignal.any([signal, abort.signal]) : abort.signal;
  const waiting = new Map<unknown, { readonly item: T; readonly taken: () => void }>();
  let wake: () => void = () => {};
  const offer = (key: unknown, item: T): Promise<void> =>
    new Promise((resolve) => {
      waiting.set(key, { item, taken: resolve });
      wake();
    });
  all.addEventListener('abort', () => {
    for (const { taken } of waiting.values()) taken();
    wake();
  });
  return {
    signal: all,
    async add(source, failed) {
      const key = {};
      try {
        for await (const item of source) {
          if (all.aborted) return;
          await offer(key, item);
        }
      } catch (error) {
        if (!all.aborted) failed(error);
      }
    },
    push(key, item) {
      waiting.delete(key);
      void offer(key, item);
    },
    async *items() {
      while (!all.aborted) {
        const [first] = waiting;
        if (first === undefined) {
          await new Promise<void>((resolve) => {
            wake = resolve;
            if (all.aborted || waiting.size > 0) resolve();
          });
          continue;
        }
        const [key, { item, taken }] = first;
        waiting.delete(key);
        taken();
        yield item;
      }
    },
    close() {
      abort.abort();
    },
  };
};
