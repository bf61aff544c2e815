import { RuntimeError } from '../contracts/runtime-error.ts';
import type { RuntimeStore } from '../contracts/store.ts';

/**
 * The name under which a store keeps its last import, among the states of plugins. No plugin can have a name with a slash. It is written
 * before the first log and after the last one, so a runtime never opens a part of an import.
 */
export const IMPORT_STATE = 'worker-runtime/import';

/** The last import into a store. */
export interface ImportState {
  /** The digest of the archive. */
  readonly digest: string;
  readonly isComplete: boolean;
  /** The log of a Worker that is imported beside others; null if the import is the whole store. */
  readonly log: string | null;
}

/** Returns the last import into a store; null if there was none. @throws STORE_CORRUPT */
export const importStateOf = async (store: RuntimeStore): Promise<ImportState | null> => {
  const body = await store.pluginState(IMPORT_STATE);
  if (body === null) return null;
  try {
    return JSON.parse(new TextDecoder().decode(body)) as ImportState;
  } catch (cause) {
    throw new RuntimeError('STORE_CORRUPT', 'The record of the last import cannot be read', { cause });
  }
};

export const putImportState = (store: RuntimeStore, state: ImportState): Promise<void> =>
  store.putPluginState(IMPORT_STATE, new TextEncoder().encode(JSON.stringify(state)));

/** Returns the log of a Worker whose import did not end, and which is no part of the store; null if there is none. */
export const pendingLog = (state: ImportState | null): string | null =>
  state === null || state.isComplete ? null : state.log;

/** @throws STORE_INCOMPLETE an import into the store did not end */
export const assertWhole = (state: ImportState | null): void => {
  if (state === null || state.isComplete || state.log !== null) return;
  throw new RuntimeError(
    'STORE_INCOMPLETE',
    'An import into this store did not end: import the same archive again, or remove the store',
    { details: { digest: state.digest } },
  );
};
