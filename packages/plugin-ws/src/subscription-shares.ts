import { limitReached, type ServedRuntime, Shares } from '@worker-runtime/core/plugin-kit';

/**
 * Divides the subscriptions of each runtime among the callers of its sockets. The limit of connections does not do that, because one
 * socket has many subscriptions.
 */
export class SubscriptionShares {
  /** By the id of the runtime. */
  readonly #all = new Map<string, Shares>();

  /** Takes a subscription for a caller. Returns the function that gives it back. @throws LIMIT_REACHED */
  take(
    { runtimeId, limits: { subscriptions } }: Pick<ServedRuntime, 'runtimeId' | 'limits'>,
    caller: string | null,
  ): () => void {
    const shares = this.#all.get(runtimeId) ?? new Shares(subscriptions);
    this.#all.set(runtimeId, shares);
    const giveBack = shares.take(caller);
    if (giveBack) return giveBack;
    throw shares.isFull
      ? limitReached('subscriptions', subscriptions, 'Too many streams are open')
      : limitReached(
          'subscriptionsOfCaller',
          shares.of(caller),
          'Your sockets have as many subscriptions as are left for other callers',
        );
  }
}
