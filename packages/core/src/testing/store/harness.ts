import type { RuntimeStore } from '../../contracts/store.ts';

/** The part of ava's `t` that the contract tests use. A failed assertion throws, as in ava. */
export interface TestContext {
  is(actual: unknown, expected: unknown, message?: string): unknown;
  deepEqual(actual: unknown, expected: unknown, message?: string): unknown;
  true(actual: unknown, message?: string): unknown;
  fail(message?: string): unknown;
  /** Registers a function to be called after the test, whether it passed or failed. */
  teardown(release: () => Promise<void>): void;
}

type Declare = (title: string, run: (t: TestContext) => Promise<void>) => void;

/** The part of ava's `test` that the contract tests use. Core itself does not depend on ava. */
export interface TestFunction {
  (title: string, run: (t: TestContext) => Promise<void>): void;
  readonly skip: Declare;
}

/**
 * A location (a directory, a bucket, a namespace) at which one store after another can be opened. Each test has its
 * own.
 */
export interface StoreHarness {
  /** Returns a store at the location that is not open. It may be a store that was closed. */
  open(): Promise<RuntimeStore>;
  /** Removes the location. Called once, after its last store was closed or killed. */
  dispose(): Promise<void>;
  /**
   * Ends the open store as `kill -9` would. On return no write of it can reach the location any more, and another store
   * can be opened there. Calls that were in progress need not settle.
   */
  kill?(): Promise<void>;
  /**
   * Ends the ownership of the open store, as if its lock had been removed or its lease had passed, and returns another store
   * that is not open. Opening that store succeeds while the first one is still open.
   */
  takeOver?(): Promise<RuntimeStore>;
  /** Returns how many bytes stores have read from the location so far. */
  bytesRead?(): number;
}

/**
 * The capabilities that a store or its harness may lack:
 * - `kill`: the harness has the method `kill`.
 * - `lock`: while a store is open, a second `open` at the same location fails with STORE_LOCKED.
 * - `meter`: the harness has the method `bytesRead`.
 * - `takeover`: the harness has the method `takeOver`.
 */
export type StoreCapability = 'kill' | 'lock' | 'meter' | 'takeover';

/** The capabilities that a store or its harness lacks, each with the reason. The tests that need one are skipped. */
export type LackingCapabilities = Readonly<Partial<Record<StoreCapability, string>>>;
