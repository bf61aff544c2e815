import type { KeyEntry } from '@worker-runtime/core/plugin-kit';

/** Makes a line of a crash test. It is determined by log and number, so that a misplaced line is detected. */
export const lineAt = (log: string, seq: number): Buffer =>
  Buffer.from(`{"seq":${seq},"log":"${log}","data":"${'é'.repeat((seq * 37) % 200)}"}\n`);

/** Makes the key entry of every fifth line. */
export const keyAt = (log: string, seq: number, offset: number): KeyEntry | null =>
  seq % 5 === 0 ? { hash: `${log}-${seq}`, digest: 'd', seq, offset } : null;

/** Makes the blob that is kept before a line. Its size and its content are determined by log and number. */
export const blobAt = (log: string, seq: number): { readonly name: string; readonly body: Buffer } => ({
  name: `blob-${seq}`,
  body: Buffer.from(`${log} ${seq}\n`.repeat(1 + ((seq * 997) % 3_000))),
});
