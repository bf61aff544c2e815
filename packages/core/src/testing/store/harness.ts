import type { RuntimeStore } from '../../contracts/store.ts';

/** What the contract tests use of ava's `t`. Assertions throw, as ava's do. */
export interface TestContext {
  is(actual: unknown, expected: unknown, message?: string): unknown;
  deepEqual(actual: unknown, expected: unknown, message?: string): unknown;
  true(actual: unknown, message?: string): unknown;
  fail(message?: string): unknown;
  teardown(release: () => Promise<void>): void;
}

type Declare = (title: string, run: (t: TestContext) => Promise<void>) => void;

/** What the contract tests use of ava's `test`: core itself does not depend on ava. */
export interface TestFunction {
  (title: string, run: (t: TestContext) => Promise<void>): void;
  readonly skip: Declare;
}

/** A place (a directory, a bucket, a namespace) on which stores can be opened again and again. */
export interface StoreHarness {
  /** A store over the place on which `open` was not called yet. One that was closed may be given again. */
  open(): Promise<RuntimeStore>;
  /** Takes the place away, when its last store is closed or abandoned. */
  dispose(): Promise<void>;
  /**
   * Abandons the open store as `kill -9` would. On return nothing more of it reaches the place, and another store can
   * be opened there. Calls that were on their way may stay unsettled for ever.
   */
  kill?(): Promise<void>;
  /** Bytes that stores have read from the place so far. */
  bytesRead?(): number;
}

/**
 * - `kill`: the harness can kill its store.
 * - `lock`: a second store over a place that is open is refused.
 * - `meter`: the harness counts the bytes that are read.
 */
export type StoreCapability = 'kill' | 'lock' | 'meter';

/** The capabilities that a store or its harness has not, each with the reason. Their tests are skipped with that reason. */
export type LackingCapabilities = Readonly<Partial<Record<StoreCapability, string>>>;
