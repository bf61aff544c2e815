import { Link, Outlet, useParams } from '@tanstack/react-router';
import type { WorkerSummary } from '@worker-runtime/core';
import { sizeText } from '@worker-runtime/core/views';
import { useMemo } from 'react';
import { backend, workers } from '../live/server.ts';
import { useSource } from '../live/source.ts';
import { Thread } from '../live/thread.ts';
import { conditionOf } from '../parts/condition.ts';
import { Empty } from '../parts/empty.tsx';
import { ArrowLeft } from '../parts/icons.ts';
import { Reading } from '../parts/reading.tsx';
import { Status } from '../parts/status.tsx';
import { useTitle } from '../parts/use-title.ts';
import { WorkerContext } from './worker-context.ts';
import { nameOf } from './worker-list.ts';
import { WorkerMenu } from './worker-menu.tsx';
import styles from './worker-page.module.css';

const TABS = [
  { to: '/runtimes/$r/workers/$w', name: 'Conversation', isExact: true },
  { to: '/runtimes/$r/workers/$w/timeline', name: 'Timeline', isExact: false },
  { to: '/runtimes/$r/workers/$w/events', name: 'Events', isExact: false },
] as const;

/** The size of what the store has of a Worker. A runtime of an earlier version does not tell it. */
const Stored = ({ worker: { stored } }: { readonly worker: Partial<Pick<WorkerSummary, 'stored'>> }) =>
  stored && (
    <span title="Events and files in the store">{sizeText(stored.eventBytes + stored.fileBytes)}</span>
  );

const REASONS = {
  answer: 'waits for an answer',
  tools: 'waits for a tool',
  engine: 'waits for its engine',
  execution: 'no execution attached',
  run: 'waits for another run',
} as const;

/** What the run of a Worker waits for, unless it is a person, as the status says. A runtime of an earlier version does not tell it. */
const Waits = ({
  worker: { status, waits },
}: {
  readonly worker: Pick<WorkerSummary, 'status'> & Partial<Pick<WorkerSummary, 'waits'>>;
}) => {
  const wait = waits?.[0];
  if (!wait || status !== 'running') return null;
  const code = wait.for === 'execution' ? wait.error?.code : undefined;
  return (
    <span title={`since ${wait.since}`}>
      {REASONS[wait.for]}
      {code !== undefined && ` (${code})`}
    </span>
  );
};

/** The page of one Worker: who it is, and its views. */
export const WorkerPage = () => {
  const { r, w } = useParams({ from: '/runtimes/$r/workers/$w' });
  const { isLoaded } = useSource(backend);
  const runtime = backend.find(r);
  const { isComplete } = useSource(workers);
  const worker = workers.find(r, w) ?? null;
  const api = runtime?.api;
  const thread = useMemo(() => (api ? new Thread(api, w) : null), [api, w]);
  const context = useMemo(
    () => (runtime && thread ? { runtime, workerId: w, worker, thread } : null),
    [runtime, w, worker, thread],
  );
  useTitle(worker ? nameOf(worker) : w);

  if (isLoaded && context === null)
    return (
      <Empty title="There is no such runtime" isPage>
        <p>
          This server has no runtime <code>{r}</code>. <Link to="/workers">Go to all Workers</Link>
        </p>
      </Empty>
    );
  if (runtime && worker === null && runtime.entry.state !== 'ok')
    return (
      <Empty title={`${runtime.name} does not answer`} isPage>
        <p>
          The server cannot reach the runtime of this Worker. The page shows it when the runtime is back.{' '}
          <Link to="/workers">Go to all Workers</Link>
        </p>
      </Empty>
    );
  if (isComplete && worker === null)
    return (
      <Empty title="There is no such Worker" isPage>
        <p>
          The runtime has no Worker <code>{w}</code>. It may have been deleted.{' '}
          <Link to="/workers">Go to all Workers</Link>
        </p>
      </Empty>
    );
  if (context === null) return <Reading />;
  return (
    <WorkerContext value={context}>
      <div className={styles.page}>
        <header className={styles.head}>
          <Link to="/workers" className={styles.back ?? ''} aria-label="All Workers">
            <ArrowLeft size={18} aria-hidden />
          </Link>
          <div className={styles.who}>
            <h1>{worker ? nameOf(worker) : w}</h1>
            {worker && (
              <p className={styles.facts}>
                <Status condition={conditionOf(worker)} />
                <span>{worker.engine}</span>
                {worker.displayName !== null && <span>{worker.workerId}</span>}
                <Stored worker={worker} />
                <Waits worker={worker} />
              </p>
            )}
          </div>
          <nav className={styles.tabs} aria-label="Views of the Worker">
            {TABS.map(({ to, name, isExact }) => (
              <Link
                key={to}
                to={to}
                params={{ r, w }}
                activeOptions={{ exact: isExact, includeSearch: false }}
                activeProps={{ 'aria-current': 'page' }}
                className={styles.tab ?? ''}
              >
                {name}
              </Link>
            ))}
          </nav>
          {worker && <WorkerMenu worker={worker} api={context.runtime.api} />}
        </header>
        {worker?.health === 'damaged' && (
          <p className={styles.damaged} role="alert">
            The log of this Worker is damaged. What could be read is shown; commands are refused.
          </p>
        )}
        <Outlet />
      </div>
    </WorkerContext>
  );
};
