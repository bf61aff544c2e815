import { RuntimeError } from '@worker-runtime/core';
import { covers, type Permission, type Scope, UNLIMITED } from '@worker-runtime/core/scope';

/** The sender of a request. */
export interface Caller {
  /**
   * Its name in the operator's log and, as `actor`, in the events of its commands; null if the server does not identify its
   * callers. 1 to 128 characters, none of them a control character.
   */
  readonly name: string | null;
  readonly scope: Scope;
  /** The time at which its authority ends, in milliseconds since 1970; null if it does not end by itself. */
  readonly expiresAt: number | null;
  /** Aborts when its authority is withdrawn, for example by a logout; null if it cannot be. */
  readonly withdrawn: AbortSignal | null;
}

/** Creates a caller whose authority does not end. */
export const callerOf = (name: string | null, scope: Scope): Caller => ({
  name,
  scope,
  expiresAt: null,
  withdrawn: null,
});

/** The sender of a request to a public route. */
export const ANYONE: Caller = callerOf(null, { ...UNLIMITED, permissions: [] });

/** Every caller of a server without tokens. */
export const UNRESTRICTED: Caller = callerOf(null, UNLIMITED);

/** @throws FORBIDDEN the caller lacks the permission */
export const assertMay = ({ scope: { permissions } }: Caller, needed: Permission): void => {
  if (covers(permissions, needed)) return;
  throw new RuntimeError('FORBIDDEN', `This request needs the permission "${needed}"`, {
    details: { needed, permissions },
  });
};

/** @throws FORBIDDEN the caller may not know of all Workers */
export const assertSeesAll = ({ scope: { workers } }: Caller): void => {
  if (workers === '*') return;
  throw new RuntimeError('FORBIDDEN', 'This resource is about all Workers, and your scope is a part of them');
};

/** The longest delay of a timer. */
const MAX_DELAY_MS = 2_147_483_647;

/** Calls back once when the authority of a caller ends. Returns the function that stops the wait. */
export const whenAuthorityEnds = ({ expiresAt, withdrawn }: Caller, ended: () => void): (() => void) => {
  if (withdrawn?.aborted) {
    queueMicrotask(ended);
    return () => {};
  }
  let timer: NodeJS.Timeout | undefined;
  const wait = (): void => {
    if (expiresAt === null) return;
    const delayMs = expiresAt - Date.now();
    timer = delayMs > MAX_DELAY_MS ? setTimeout(wait, MAX_DELAY_MS) : setTimeout(end, delayMs);
    timer.unref();
  };
  const stop = (): void => {
    clearTimeout(timer);
    withdrawn?.removeEventListener('abort', end);
  };
  const end = (): void => {
    stop();
    ended();
  };
  wait();
  withdrawn?.addEventListener('abort', end, { once: true });
  return stop;
};
