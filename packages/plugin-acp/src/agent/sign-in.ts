import { RuntimeError } from '@worker-runtime/core';

/** The JSON-RPC error code of the protocol for an agent whose user has to sign in. */
const AUTH_REQUIRED = -32_000;

/** True if an agent refused a request because its user has to sign in. */
export const isSignInRequired = (error: unknown): boolean =>
  (error as { readonly code?: unknown } | null)?.code === AUTH_REQUIRED;

/** Creates the error for an agent whose user has to sign in. */
export const signInRequired = (cause: unknown): RuntimeError =>
  new RuntimeError(
    'ENGINE_UNAVAILABLE',
    'The agent requires its user to sign in, on the machine that the runtime runs on',
    { cause },
  );

/** A way to sign in that an agent advertises. One of the type `terminal` needs a person at a terminal. */
export interface SignInMethod {
  readonly id: string;
  readonly type?: string;
}

/**
 * Returns the way to sign in without a person: the configured one if the agent advertises it, or the only one, such as a
 * cached token or a key in the environment.
 */
export const signInMethod = (
  advertised: readonly SignInMethod[],
  configured: string | null,
): SignInMethod | undefined => {
  if (configured !== null) return advertised.find(({ id }) => id === configured);
  const [only, ...others] = advertised.filter(({ type }) => type !== 'terminal');
  return others.length === 0 ? only : undefined;
};
