/** The most lines that a sender gets at once. */
const MOST = 600;
/** The lines that it gets back within a minute. */
const A_MINUTE = 10;
const MINUTE_MS = 60_000;
const MAX_SENDERS = 10_000;

interface Account {
  left: number;
  at: number;
  omitted: number;
}

/**
 * The lines for requests that changed nothing, by sender. The log keeps a number of bytes, so a sender without a limit could
 * make it drop the lines of what was done before.
 */
export class LineBudget {
  readonly #now: () => number;
  /** In the order of their last use. */
  readonly #accounts = new Map<string, Account>();

  constructor(now = (): number => performance.now()) {
    this.#now = now;
  }

  /** Takes a line of a sender. Returns the number of lines that the sender did not get since the last one; null if it gets none now. */
  take(sender: string): number | null {
    const now = this.#now();
    const account = this.#accounts.get(sender) ?? { left: MOST, at: now, omitted: 0 };
    this.#accounts.delete(sender);
    if (this.#accounts.size >= MAX_SENDERS)
      this.#accounts.delete(this.#accounts.keys().next().value as string);
    this.#accounts.set(sender, account);
    account.left = Math.min(MOST, account.left + ((now - account.at) / MINUTE_MS) * A_MINUTE);
    account.at = now;
    if (account.left < 1) {
      account.omitted += 1;
      return null;
    }
    account.left -= 1;
    const { omitted } = account;
    account.omitted = 0;
    return omitted;
  }
}
