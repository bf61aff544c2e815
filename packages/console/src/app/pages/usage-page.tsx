import { Link } from '@tanstack/react-router';
import type { Overview, WorkerSummary } from '@worker-runtime/core';
import { useEffect, useMemo, useState } from 'react';
import { backend, workers } from '../live/server.ts';
import { useSource } from '../live/source.ts';
import { Button } from '../parts/button.tsx';
import { numberText } from '../parts/duration.ts';
import { Empty } from '../parts/empty.tsx';
import { Page } from '../parts/page.tsx';
import styles from './usage-page.module.css';
import { keyOf, nameOf } from './worker-list.ts';

const READ_AT_ONCE = 6;
/** The number of Workers whose usage is read at once: each is a request. */
const WORKERS_STEP = 100;

interface Used {
  readonly worker: WorkerSummary;
  readonly overview: Overview;
}

interface Row {
  readonly key: string;
  readonly name: React.ReactNode;
  readonly input: number;
  readonly output: number;
}

const Table = ({ title, rows }: { readonly title: string; readonly rows: readonly Row[] }) => {
  const most = Math.max(1, ...rows.map(({ input, output }) => input + output));
  return (
    <section className={styles.section}>
      <h2>{title}</h2>
      <table className={styles.table}>
        <thead>
          <tr>
            <th scope="col">{title.replace('By ', '').replace(/^./, (letter) => letter.toUpperCase())}</th>
            <th scope="col">Input</th>
            <th scope="col">Output</th>
            <th scope="col">
              <span className="visually-hidden">Share</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ key, name, input, output }) => (
            <tr key={key}>
              <th scope="row">{name}</th>
              <td>{numberText(input)}</td>
              <td>{numberText(output)}</td>
              <td>
                <span className={styles.share} style={{ width: `${((input + output) / most) * 100}%` }} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
};

const bySize = (one: Row, other: Row): number => other.input + other.output - one.input - one.output;

/** The tokens that Workers used, by model and by Worker. */
export const UsagePage = () => {
  const { items, isComplete } = useSource(workers);
  const [count, setCount] = useState(WORKERS_STEP);
  const [used, setUsed] = useState<ReadonlyMap<string, Used>>(new Map());
  const [isRead, setRead] = useState(false);

  useEffect(() => {
    if (!isComplete) return undefined;
    let isCurrent = true;
    const recent = workers
      .get()
      .items.toSorted((one, other) => (one.updatedAt < other.updatedAt ? 1 : -1))
      .slice(0, count);
    const found = new Map<string, Used>();
    const read = async (): Promise<void> => {
      for (let worker = recent.shift(); worker && isCurrent; worker = recent.shift()) {
        const overview = await backend
          .find(worker.runtimeId)
          ?.api.overview(worker.workerId)
          .catch(() => null);
        if (overview) found.set(keyOf(worker), { worker, overview });
      }
    };
    void Promise.all(Array.from({ length: READ_AT_ONCE }, read)).then(() => {
      if (!isCurrent) return;
      setUsed(found);
      setRead(true);
    });
    return () => {
      isCurrent = false;
    };
  }, [isComplete, count]);

  const { byModel, byWorker, total } = useMemo(() => {
    const models = new Map<string, Row>();
    const lines: Row[] = [];
    let sum = 0;
    for (const [key, { worker, overview }] of used) {
      const { inputTokens: input, outputTokens: output } = overview.usage;
      sum += input + output;
      for (const [model, usage] of Object.entries(overview.usage.byModel)) {
        const before = models.get(model);
        models.set(model, {
          key: model,
          name: model,
          input: (before?.input ?? 0) + usage.inputTokens,
          output: (before?.output ?? 0) + usage.outputTokens,
        });
      }
      if (input + output > 0)
        lines.push({
          key,
          input,
          output,
          name: (
            <Link
              to="/runtimes/$r/workers/$w"
              params={{ r: worker.runtimeId, w: worker.workerId }}
              preload={false}
            >
              {nameOf(worker)}
            </Link>
          ),
        });
    }
    return { byModel: [...models.values()].toSorted(bySize), byWorker: lines.toSorted(bySize), total: sum };
  }, [used]);

  return (
    <Page title="Usage">
      {isRead && total === 0 && (
        <Empty title="No tokens were used yet">
          <p>
            Engines record the tokens of each call of a model. Their sums appear here, by model and by Worker.
          </p>
        </Empty>
      )}
      {total > 0 && (
        <>
          <p className={styles.total}>
            <b>{numberText(total)}</b> tokens of {numberText(Math.min(count, items.length))}{' '}
            {items.length > count ? 'Workers that were active last' : 'Workers'}
          </p>
          <Table title="By model" rows={byModel} />
          <Table title="By Worker" rows={byWorker} />
        </>
      )}
      {isRead && items.length > count && (
        <Button onClick={() => setCount((before) => before + WORKERS_STEP)}>
          Include {numberText(Math.min(WORKERS_STEP, items.length - count))} more Workers
        </Button>
      )}
    </Page>
  );
};
