import type { SeenRuntime } from '@worker-runtime/core/plugin-kit';

/** A Runtime that a host owns, under one claim. Its store opens only while the claim is the current one. */
export type Claimed = Pick<SeenRuntime, 'name' | 'runtimeId' | 'claim'>;

/** The service of one Runtime by one host. It starts once and ends once. */
export interface Service {
  /** Begins to serve. @throws the error of the store, or of what else is missing */
  start(): Promise<void>;
  /**
   * Ends in order, so that another host can continue. Inputs are accepted in the meantime, and runs may end for `waitMs`. `leaving` is
   * called at the moment from which requests must go to the next host. Never rejects.
   */
  handOver(waitMs: number, leaving: () => void): Promise<void>;
  /** Ends at once: on return nothing more is accepted or carried out. */
  fence(): void;
  /** Resolves when it has ended by itself, because its store was lost. */
  readonly lost: Promise<unknown>;
}
