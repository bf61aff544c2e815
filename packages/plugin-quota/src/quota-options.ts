import {
  type OptionReader,
  object,
  optional,
  readOptions,
  text,
  wholeNumber,
} from '@worker-runtime/core/plugin-kit';

/** The limits of an account. An absent limit does not limit. */
export interface QuotaLimits {
  /** The inputs that its Workers accept within any minute, and as many at once. A creation with an input counts as one. */
  readonly inputsPerMinute?: number;
  /** The Workers that may run at a time. A queued input waits behind the run of its own Worker, and counts as part of it. */
  readonly runningWorkers?: number;
  /** The tokens that models may read and write for it in a day of UTC, all kinds together. Runs in progress finish. */
  readonly tokensPerDay?: number;
}

export interface QuotaOptions extends QuotaLimits {
  /**
   * The label that names the account of a Worker. A Worker without it belongs to the account `""`. Default: `owner`, which
   * a backend sets to the person who creates a Worker.
   */
  readonly by?: string;
  /** Other limits for single accounts, in place of all of the general ones; as an object or as JSON text. */
  readonly accounts?: Readonly<Record<string, QuotaLimits>>;
}

/** The options with their defaults. */
export interface Settings {
  readonly by: string;
  readonly general: QuotaLimits;
  readonly accounts: ReadonlyMap<string, QuotaLimits>;
}

const LIMITS = {
  inputsPerMinute: optional(wholeNumber(0, 1_000_000), undefined),
  runningWorkers: optional(wholeNumber(0, 1_000_000), undefined),
  tokensPerDay: optional(wholeNumber(0, Number.MAX_SAFE_INTEGER), undefined),
};

const accountsOf: OptionReader<ReadonlyMap<string, QuotaLimits>> = (value, refuse) =>
  new Map(
    Object.entries(object(value, refuse)).map(([account, limits]) => [
      account,
      readOptions(`quota.accounts.${account}`, limits, LIMITS) as QuotaLimits,
    ]),
  );

/** Reads the options. @throws INVALID_REQUEST an option is unknown or not valid */
export const settingsOf = (options: unknown): Settings => {
  const { by, accounts, ...general } = readOptions('quota', options, {
    by: optional(text, 'owner'),
    accounts: optional(accountsOf, new Map<string, QuotaLimits>()),
    ...LIMITS,
  });
  return { by, accounts, general: general as QuotaLimits };
};
