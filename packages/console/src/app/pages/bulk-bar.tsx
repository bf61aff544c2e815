import { RemoteError } from '@worker-runtime/client';
import type { WorkerSummary } from '@worker-runtime/core';
import { useState } from 'react';
import { backend } from '../live/server.ts';
import { announce } from '../parts/announce.ts';
import { Button } from '../parts/button.tsx';
import { X } from '../parts/icons.ts';
import styles from './bulk-bar.module.css';
import { keyOf, nameOf } from './worker-list.ts';

const AT_ONCE = 4;

const ACTIONS = {
  'Cancel runs': async (worker: WorkerSummary) => {
    const { changed } = await apiOf(worker).cancelRun(worker.workerId);
    return changed ? 'cancelled' : 'no run was active';
  },
  Stop: async (worker: WorkerSummary) => {
    const { changed, outcome } = await apiOf(worker).stopWorker(worker.workerId);
    return changed ? `stopped (${outcome})` : 'was stopped already';
  },
  Resume: async (worker: WorkerSummary) => {
    await apiOf(worker).resumeWorker(worker.workerId);
    return 'resumed';
  },
} as const;

type Action = keyof typeof ACTIONS;

const apiOf = ({ runtimeId }: WorkerSummary) => {
  const runtime = backend.find(runtimeId);
  if (runtime === undefined) throw new RemoteError('RUNTIME_NOT_FOUND', 'The runtime is gone');
  return runtime.api;
};

interface Result {
  readonly name: string;
  readonly text: string;
  readonly isFailure: boolean;
}

/** Actions on the selected Workers, with what came of each. */
export const BulkBar = ({
  workers,
  onClose,
}: {
  readonly workers: readonly WorkerSummary[];
  readonly onClose: () => void;
}) => {
  const [results, setResults] = useState<ReadonlyMap<string, Result>>(new Map());
  const [isBusy, setBusy] = useState(false);

  const run = async (action: Action): Promise<void> => {
    setBusy(true);
    setResults(new Map());
    const queue = [...workers];
    let failures = 0;
    const act = async (): Promise<void> => {
      for (let worker = queue.shift(); worker; worker = queue.shift()) {
        const name = nameOf(worker);
        const key = keyOf(worker);
        const result = await ACTIONS[action](worker).then(
          (text): Result => ({ name, text, isFailure: false }),
          (error: unknown): Result => ({
            name,
            text: error instanceof Error ? error.message : String(error),
            isFailure: true,
          }),
        );
        if (result.isFailure) failures += 1;
        setResults((before) => new Map(before).set(key, result));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, act));
    setBusy(false);
    announce(`${action}: ${workers.length - failures} done, ${failures} failed`);
  };

  return (
    <section className={styles.bar} aria-label="Selected Workers">
      {results.size > 0 && (
        <ul className={styles.results} aria-label="Results">
          {[...results].map(([key, { name, text, isFailure }]) => (
            <li key={key} className={isFailure ? styles.failure : ''}>
              <b>{name}</b> {text}
            </li>
          ))}
        </ul>
      )}
      <div className={styles.actions}>
        <span>{workers.length} selected</span>
        {(Object.keys(ACTIONS) as Action[]).map((action) => (
          <Button key={action} disabled={isBusy} onClick={() => void run(action)}>
            {action}
          </Button>
        ))}
        <Button tone="quiet" isIcon aria-label="Clear the selection" onClick={onClose}>
          <X size={16} aria-hidden />
        </Button>
      </div>
    </section>
  );
};
