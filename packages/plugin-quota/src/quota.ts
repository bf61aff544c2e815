import {
  type Clock,
  type PluginHost,
  RuntimeError,
  type RuntimePlugin,
  systemClock,
  type WorkerFacts,
} from '@worker-runtime/core';
import { ownValue } from '@worker-runtime/core/plugin-kit';
import { Account } from './account.ts';
import { type QuotaOptions, type Settings, settingsOf } from './quota-options.ts';
import { SpentTokens } from './spent-tokens.ts';

/** Limits what the Workers of each account use. */
class Quota {
  readonly #settings: Settings;
  readonly #clock: Clock;
  readonly #host: PluginHost;
  readonly #spent: SpentTokens;
  readonly #accounts = new Map<string, Account>();
  #isOpen = false;

  constructor(settings: Settings, clock: Clock, host: PluginHost) {
    this.#settings = settings;
    this.#clock = clock;
    this.#host = host;
    this.#spent = new SpentTokens(host, clock);
  }

  tap(): void {
    const { hooks, runtime } = this.#host;
    const { by } = this.#settings;
    hooks.opened.tapPromise(() => this.#open());
    // a child belongs to the account of its parent, also if its labels name another
    hooks.prepare.tapPromise(async (spec, { parent = null }) => {
      // a change has no parent, and that of the Worker may be deleted
      if (parent === null) return spec;
      const account = ownValue((await runtime.getWorker(parent)).labels, by);
      const { [by]: _, ...others } = spec.labels;
      return { ...spec, labels: { ...others, ...(account !== undefined && { [by]: account }) } };
    });
    hooks.admit.tapPromise(async (command) => {
      if (command.type === 'worker.update') {
        const { labels } = command.update;
        if (labels && this.#nameOf({ labels }) !== this.#nameOf(command.worker))
          throw new RuntimeError(
            'FORBIDDEN',
            `The label "${by}" of a Worker names its account and cannot change`,
          );
        return;
      }
      const isInput =
        command.type === 'worker.input' ||
        (command.type === 'worker.create' && command.initialInput !== null);
      if (!isInput && command.type !== 'run.begin') return;
      const [workerId, worker] =
        command.type === 'worker.create'
          ? [command.spec.workerId, command.spec]
          : [command.workerId, command.worker];
      const name = this.#nameOf(worker);
      const release = this.#accountOf(name).admit(
        workerId,
        isInput,
        this.#spent.today(name),
        this.#clock.now(),
      );
      void command.settled.then(release);
    });
    hooks.committed.tap(({ workerId, worker, events }) => {
      if (!this.#isOpen) return;
      const name = this.#nameOf(worker);
      for (const { type, time, data } of events) {
        if (type === 'run.started' || type === 'run.continued') this.#accountOf(name).runStarted(workerId);
        else if (type === 'run.finished' || type === 'worker.deleted')
          this.#accountOf(name).runFinished(workerId);
        else if (type === 'usage.recorded') this.#spent.add(name, time, data.inputTokens + data.outputTokens);
      }
    });
    hooks.drain.tapPromise(() => this.#spent.close());
  }

  /** Counts what is active. The runs of the last process that continue have been committed before. */
  async #open(): Promise<void> {
    const { runtime } = this.#host;
    await this.#spent.read();
    for (let after: string | null = 'start'; after !== null; ) {
      const page = await runtime.listWorkers({ after });
      for (const worker of page.items)
        if (worker.run) this.#accountOf(this.#nameOf(worker)).runStarted(worker.workerId);
      after = page.next;
    }
    this.#isOpen = true;
  }

  #nameOf({ labels }: Pick<WorkerFacts, 'labels'>): string {
    return ownValue(labels, this.#settings.by) ?? '';
  }

  #accountOf(name: string): Account {
    const known = this.#accounts.get(name);
    if (known) return known;
    const { accounts, general } = this.#settings;
    const account = new Account(accounts.get(name) ?? general);
    this.#accounts.set(name, account);
    return account;
  }
}

/**
 * Limits the inputs, running Workers and tokens of accounts. A label of a Worker names its account. What exceeds a limit is refused
 * with LIMIT_REACHED before anything is written. `clock` is that of the runtime.
 * @throws INVALID_REQUEST an option is unknown or not valid
 */
export const quota = (options: QuotaOptions, clock: Clock = systemClock): RuntimePlugin => {
  const settings = settingsOf(options);
  return { name: 'quota', apply: (host) => new Quota(settings, clock, host).tap() };
};

/** Makes the plugin from unchecked options, such as those of a command line. @throws INVALID_REQUEST as `quota` */
export const plugin = (options: unknown): RuntimePlugin => quota(options as QuotaOptions);
