import type { OpenedStore, StoredLog } from '../contracts/store.ts';

/** Returns all logs that a store lists when it is opened. */
export const storedLogs = async (opening: OpenedStore | Promise<OpenedStore>): Promise<StoredLog[]> => {
  const logs: StoredLog[] = [];
  for await (const log of (await opening).logs) logs.push(log);
  return logs;
};
