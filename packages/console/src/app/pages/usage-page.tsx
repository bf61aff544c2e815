import { Link } from '@tanstack/react-router';
import type { Cursor, ListedWorker, Overview, Page, WorkerSummary } from '@worker-runtime/core';
import { useEffect, useMemo, useState } from 'react';
import { backend } from '../live/server.ts';
import { useSource } from '../live/source.ts';
import { Button } from '../parts/button.tsx';
import { numberText } from '../parts/duration.ts';
import { Empty } from '../parts/empty.tsx';
import { Page as Layout } from '../parts/page.tsx';
import styles from './usage-page.module.css';
import { keyOf, nameOf } from './worker-list.ts';

/** The number of Workers that one request returns with their usage. */
const PAGE_WORKERS = 500;
/** The number of Workers in the table. */
const SHOWN_WORKERS = 200;

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

/** Reads the usage of all Workers of all runtimes, a page at a time. Calls back after each page. */
const readUsage = async (signal: AbortSignal, found: (used: readonly Used[]) => void): Promise<void> => {
  await Promise.all(
    backend.get().items.map(async ({ api, entry }) => {
      const limit = Math.min(PAGE_WORKERS, entry.summary?.limits.pageItems ?? 1);
      for (let after: Cursor | undefined; !signal.aborted; ) {
        const page: Page<ListedWorker> = await api.listWorkers({
          include: 'overview',
          limit,
          ...(after !== undefined && { after }),
        });
        if (signal.aborted) return;
        found(page.items.flatMap(({ overview, ...worker }) => (overview ? [{ worker, overview }] : [])));
        if (page.next === null) return;
        after = page.next;
      }
    }),
  );
};

/** The tokens that Workers used, by model and by Worker. */
export const UsagePage = () => {
  const { isLoaded } = useSource(backend);
  const [asked, setAsked] = useState(0);
  const [used, setUsed] = useState<ReadonlyMap<string, Used>>(new Map());
  const [state, setState] = useState<'reading' | 'read' | { readonly failure: string }>('reading');

  useEffect(() => {
    void asked;
    if (!isLoaded) return undefined;
    const stop = new AbortController();
    const all = new Map<string, Used>();
    setState('reading');
    readUsage(stop.signal, (more) => {
      for (const one of more) all.set(keyOf(one.worker), one);
      setUsed(new Map(all));
    }).then(
      () => {
        if (stop.signal.aborted) return;
        setUsed(new Map(all));
        setState('read');
      },
      (error: Error) => {
        if (!stop.signal.aborted) setState({ failure: error.message });
      },
    );
    return () => stop.abort();
  }, [isLoaded, asked]);

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
    <Layout title="Usage">
      {state === 'read' && total === 0 && (
        <Empty title="No tokens were used yet">
          <p>
            Engines record the tokens of each call of a model. Their sums appear here, by model and by Worker.
          </p>
        </Empty>
      )}
      {typeof state === 'object' && (
        <p role="alert">The usage of some Workers could not be read: {state.failure}</p>
      )}
      {total > 0 && (
        <>
          <p className={styles.total}>
            <b>{numberText(total)}</b> tokens of {numberText(used.size)}{' '}
            {used.size === 1 ? 'Worker' : 'Workers'}
            {state === 'reading' ? ' so far' : ''}{' '}
            <Button tone="quiet" onClick={() => setAsked((count) => count + 1)}>
              Read again
            </Button>
          </p>
          <Table title="By model" rows={byModel} />
          <Table title="By Worker" rows={byWorker.slice(0, SHOWN_WORKERS)} />
          {byWorker.length > SHOWN_WORKERS && (
            <p className={styles.rest}>
              And {numberText(byWorker.length - SHOWN_WORKERS)} Workers that used less.
            </p>
          )}
        </>
      )}
    </Layout>
  );
};
