import type { ErrorCode } from './runtime-error.ts';
import type { RuntimeSummary } from './runtime-summary.ts';

/**
 * The state of a runtime as a list of several runtimes shows it. `ok`: it answers. `starting`: it opens its store.
 * `unreachable`: it did not answer in time, or could not be connected to. `foreign`: another runtime answers at its address.
 * `refused`: it does not accept the credentials of the registry. `failed`: it has ended and needs a new process.
 */
export type RuntimeState = 'ok' | 'starting' | 'unreachable' | 'foreign' | 'refused' | 'failed';

/** One runtime in a list of several. Its `summary` was read for this answer, and is never a remembered one. */
export interface RuntimeEntry {
  /** The name in the configuration, unique in the list. */
  readonly name: string;
  /** Null until the runtime has told it. */
  readonly runtimeId: string | null;
  /** `embedded`: in the process that answers. `remote`: in another one. */
  readonly kind: 'embedded' | 'remote';
  readonly state: RuntimeState;
  /** The time since which the state is the current one. */
  readonly since: string;
  /** The failure behind the state, and the id under which the operator's log has its cause. Null if the state is `ok`. */
  readonly error: { readonly code: ErrorCode; readonly correlationId: string | null } | null;
  /** Null unless the runtime has just answered. */
  readonly summary: RuntimeSummary | null;
}
