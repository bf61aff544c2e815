import { RuntimeError, type RuntimePlugin, type WorkerFacts } from '@worker-runtime/core';

export interface QuotaOptions {
  /** How many runs of one team may be active at a time. */
  readonly activeRuns: number;
  /** How many output tokens one team may use. */
  readonly outputTokens: number;
}

interface Account {
  activeRuns: number;
  outputTokens: number;
}

const NO_TEAM = 'none';
const teamOf = ({ labels }: Pick<WorkerFacts, 'labels'>): string => labels.team ?? NO_TEAM;

/** Limits the active runs and the tokens of each team. The label `team` of a Worker names its team. */
export const quota = ({ activeRuns, outputTokens }: QuotaOptions): RuntimePlugin => {
  const accounts = new Map<string, Account>();
  let isOpen = false;

  const accountOf = (team: string): Account => {
    let account = accounts.get(team);
    if (!account) {
      account = { activeRuns: 0, outputTokens: 0 };
      accounts.set(team, account);
    }
    return account;
  };

  return {
    name: 'quota',
    apply({ runtime, hooks }) {
      // The store is open and no command was accepted yet, so the counts are complete when the first one comes. No run
      // is active: recovery has ended the runs of the last process.
      hooks.opened.tapPromise(async () => {
        for (let after: string | null = 'start'; after !== null; ) {
          const page = await runtime.listWorkers({ after });
          for (const worker of page.items) {
            const { usage } = await runtime.overview(worker.workerId);
            accountOf(teamOf(worker)).outputTokens += usage.outputTokens;
          }
          after = page.next;
        }
        isOpen = true;
      });

      hooks.admit.tapPromise(async (command) => {
        if (command.type === 'worker.update') {
          const { labels } = command.update;
          if (labels && teamOf({ labels }) !== teamOf(command.worker))
            throw new RuntimeError('FORBIDDEN', 'A Worker keeps its team');
          return;
        }
        const isRun =
          command.type === 'worker.input' ||
          command.type === 'run.begin' ||
          (command.type === 'worker.create' && command.initialInput !== null);
        if (!isRun) return;
        const team = teamOf(command.type === 'worker.create' ? command.spec : command.worker);
        const account = accountOf(team);
        if (account.outputTokens >= outputTokens)
          throw new RuntimeError('LIMIT_REACHED', `The team "${team}" has used its ${outputTokens} tokens`);
        if (account.activeRuns >= activeRuns)
          throw new RuntimeError('LIMIT_REACHED', `The team "${team}" has ${activeRuns} active runs already`);
        // reserved before the command is carried out, so that two commands at once cannot both take the last place
        account.activeRuns += 1;
        void command.settled.then((outcome) => {
          if (outcome === 'refused') account.activeRuns -= 1;
        });
      });

      hooks.committed.tap(({ worker, events }) => {
        // the events of recovery are counted by the reads of `opened`
        if (!isOpen) return;
        const account = accountOf(teamOf(worker));
        for (const event of events) {
          if (event.type === 'usage.recorded') account.outputTokens += event.data.outputTokens;
          if (event.type === 'run.finished') account.activeRuns -= 1;
        }
      });
    },
  };
};
