import { RuntimeError } from '../contracts/runtime-error.ts';
import type { LogHead, Snapshot } from '../contracts/store.ts';
import type { Base } from '../log/base.ts';
import type { LogPosition } from '../log/cursor.ts';
import { snapshotOf } from './snapshot.ts';
import type { WorkerState } from './state.ts';

/** The base of a log as a store keeps it. `state` is the text of a snapshot, which is a JSON value. */
interface StoredBase {
  readonly version: 1;
  readonly archive: string;
  readonly at: LogPosition;
  readonly state: unknown;
}

/** Makes the base of a log from the state at its position. */
export const baseOf = (state: WorkerState, archive: string): Snapshot => {
  const { head, text } = snapshotOf(state);
  const described = JSON.stringify({ version: 1, archive, at: state.head });
  return { head, text: `${described.slice(0, -1)},"state":${text}}` };
};

const parsed = ({ text }: Snapshot): StoredBase => {
  const base = JSON.parse(text) as StoredBase;
  if (base.version === 1) return base;
  throw new RuntimeError(
    'STORE_VERSION',
    'A later version has let history go, and this one cannot read what it kept',
  );
};

/** Decodes what the runtime needs of a base besides the state. @throws STORE_VERSION */
export const baseIn = (stored: Snapshot): Base => {
  const { at, archive } = parsed(stored);
  return { at, archive };
};

/** Returns the state in a base as a snapshot at its position. @throws STORE_VERSION */
export const snapshotIn = (stored: Snapshot): { readonly head: LogHead; readonly text: string } => ({
  head: stored.head,
  text: JSON.stringify(parsed(stored).state),
});
