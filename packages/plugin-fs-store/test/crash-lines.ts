import type { KeyEntry } from '@worker-runtime/core';

/** What every line of a crash test holds: it follows from log and number, so that a line cannot be mistaken. */
export const lineAt = (log: string, seq: number): Buffer =>
  Buffer.from(`{"seq":${seq},"log":"${log}","data":"${'é'.repeat((seq * 37) % 200)}"}\n`);

export const keyAt = (log: string, seq: number, offset: number): KeyEntry | null =>
  seq % 5 === 0 ? { hash: `${log}-${seq}`, digest: 'd', seq, offset } : null;
