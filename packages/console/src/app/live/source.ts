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
  /** The time of the next notification; infinite without one. */
  #dueAt = Number.POSITIVE_INFINITY;
  #notifiedAt = Number.NEGATIVE_INFINITY;
  #rest: ReturnType<typeof setTimeout> | undefined;
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

  /**
   * Notifies the readers before the next paint.
   * @param restMs the least time since the last notification, for a value that takes long to draw
   */
  protected changed(restMs = 0): void {
    const now = performance.now();
    const at = Math.max(now, this.#notifiedAt + restMs);
    if (at >= this.#dueAt) return;
    this.#dueAt = at;
    clearTimeout(this.#rest);
    if (at === now) beforePaint(this.#notify);
    else this.#rest = setTimeout(() => beforePaint(this.#notify), at - now);
  }

  readonly #notify = (): void => {
    // an earlier notification may have replaced this one
    if (this.#dueAt === Number.POSITIVE_INFINITY) return;
    this.#dueAt = Number.POSITIVE_INFINITY;
    this.#notifiedAt = performance.now();
    this.#isStale = true;
    for (const listener of this.#listeners) listener();
  };
}

/** Returns the value of a source, and renders the component again when it changes. */
export const useSource = <T>(source: Source<T>): T => useSyncExternalStore(source.subscribe, source.get);

/** As `useSource`, for a component that shows only what a function selects. It renders again when that is another value. */
export const useSelected = <T, S>(source: Source<T>, select: (value: T) => S): S =>
  useSyncExternalStore(source.subscribe, () => select(source.get()));
