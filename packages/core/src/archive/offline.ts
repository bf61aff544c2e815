import type { Clock } from '../contracts/clock.ts';
import type { JsonValue } from '../contracts/json.ts';
import { type Logger, silentLogger } from '../contracts/logger.ts';
import type { OpenedStore, RuntimeStore, StoreFinding, StoreHost } from '../contracts/store.ts';

/** Options for the use of a store without a runtime. */
export interface OfflineOptions {
  readonly log?: Logger;
  /** The settings that the store keeps beside its identity. */
  readonly configuration?: JsonValue;
  /** Receives the problems that the store survives. */
  readonly report?: (finding: StoreFinding) => void;
  readonly clock?: Clock;
}

/** More than any sensible `limits.idempotencyKeys`: an archive has all keys that a store still has. */
const KEPT_KEYS = 100_000;

const hostOf = (
  options: OfflineOptions,
  runtimeId: string | undefined,
  lost: StoreHost['lost'],
): StoreHost => ({
  log: options.log ?? silentLogger,
  configuration: options.configuration ?? null,
  keptKeys: KEPT_KEYS,
  snapshotOf: () => undefined,
  report: options.report ?? (() => {}),
  lost,
  ...(runtimeId !== undefined && { runtimeId }),
});

/**
 * Opens a store that no runtime has open, uses it, and closes it. `runtimeId` is the id that a new store gets.
 * @throws STORE_LOST another process took the store over in the meantime
 */
export const withStore = async <T>(
  store: RuntimeStore,
  options: OfflineOptions,
  runtimeId: string | undefined,
  use: (opened: OpenedStore) => Promise<T>,
): Promise<T> => {
  let loss: Error | null = null;
  const opened = await store.open(
    hostOf(options, runtimeId, (failure) => {
      loss = failure;
    }),
  );
  let result: T;
  try {
    result = await use(opened);
  } finally {
    await store.close();
  }
  if (loss) throw loss;
  return result;
};
