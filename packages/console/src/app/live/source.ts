import { useSyncExternalStore } from 'react';

/** Runs a callback before the next paint, or soon if the page is hidden and does not paint. */
const beforePaint = (callback: () => void): void => {
  if (document.visibilityState === 'visible') requestAnimationFrame(callback);
  else setTimeout(callback, 200);
};

/**
 * A value that changes with a stream, for components to read. However often the value changes, its readers are notified
 * once a frame.
 */
export abstract class Source<T> {
  readonly #listeners = new Set<() => void>();
  #isDue = false;
  #isStale = true;
  #value: T | undefined;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) this.begin();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.end();
    };
  };

  /** Returns the value of the current frame. The same object is returned until the value changes. */
  readonly get = (): T => {
    if (this.#isStale || this.#value === undefined) {
      this.#value = this.take();
      this.#isStale = false;
    }
    return this.#value;
  };

  /** Returns an immutable copy of what the source holds now. */
  protected abstract take(): T;
  /** Called with the first reader. */
  protected begin(): void {}
  /** Called without the last reader. */
  protected end(): void {}

  /** Notifies the readers before the next paint. */
  protected changed(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    beforePaint(() => {
      this.#isDue = false;
      this.#isStale = true;
      for (const listener of this.#listeners) listener();
    });
  }
}

/** Returns the value of a source, and renders the component again when it changes. */
export const useSource = <T>(source: Source<T>): T => useSyncExternalStore(source.subscribe, source.get);
