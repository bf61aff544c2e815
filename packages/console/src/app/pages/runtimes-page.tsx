import type { Diagnostic, RuntimeSummary } from '@worker-runtime/core';
import type { RuntimeEntry } from '@worker-runtime/core/plugin-kit';
import { sizeText } from '@worker-runtime/core/views';
import { useEffect, useState } from 'react';
import type { ConnectedRuntime } from '../live/backend.ts';
import { backend } from '../live/server.ts';
import { useSource } from '../live/source.ts';
import { announce } from '../parts/announce.ts';
import { Button } from '../parts/button.tsx';
import { numberText } from '../parts/duration.ts';
import { inOrder } from '../parts/in-order.ts';
import { Page } from '../parts/page.tsx';
import { Reading } from '../parts/reading.tsx';
import { StatusMark } from '../parts/status.tsx';
import { Age, Moment } from '../parts/time.tsx';
import styles from './runtimes-page.module.css';

const STATUSES = ['waiting', 'running', 'idle', 'stopped'] as const;
const ACCESS_WORDS = { filesystem: 'files', shell: 'shell', git: 'git', worktree: 'worktrees' } as const;

const Fact = ({ name, children }: { readonly name: string; readonly children: React.ReactNode }) => (
  <div className={styles.fact}>
    <dt>{name}</dt>
    <dd>{children}</dd>
  </div>
);

const EngineLine = ({ engine }: { readonly engine: RuntimeSummary['engines'][number] }) => {
  const { name, capabilities } = engine;
  const access = Object.entries(capabilities.access ?? {}).flatMap(([kind, has]) =>
    has ? ACCESS_WORDS[kind as keyof typeof ACCESS_WORDS] : [],
  );
  const abilities = [
    capabilities.requests && 'asks people',
    capabilities.continues && 'continues interrupted runs',
    access.length > 0 && `reaches ${access.join(', ')}`,
  ].filter((ability) => typeof ability === 'string');
  return (
    <li className={styles.engine}>
      <b>{name}</b>
      <span>{abilities.join(' · ') || 'no tools, no access'}</span>
      {capabilities.tools && capabilities.tools.length > 0 && <code>{capabilities.tools.join(' ')}</code>}
    </li>
  );
};

const Diagnostics = ({ runtime }: { readonly runtime: ConnectedRuntime }) => {
  const [items, setItems] = useState<readonly Diagnostic[] | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  const { api } = runtime;
  const [asked, setAsked] = useState(0);
  useEffect(() => {
    api.diagnostics({ limit: 50 }).then(
      (page) => {
        setItems(page.items);
        setFailure(null);
        if (asked > 0) announce(`Diagnostics: ${page.items.length}`);
      },
      (error: Error) => setFailure(error.message),
    );
  }, [api, asked]);
  return (
    <section className={styles.section} aria-label="Diagnostics">
      <header>
        <h3>Diagnostics</h3>
        <Button tone="quiet" onClick={() => setAsked((count) => count + 1)}>
          Read again
        </Button>
      </header>
      {failure !== null && <p role="alert">{failure}</p>}
      {items?.length === 0 && (
        <p className={styles.quiet}>None since the start. Problems that the runtime survives appear here.</p>
      )}
      <ul>
        {items?.map(({ id, time, severity, code, message, worker, correlationId }) => (
          <li key={id} className={styles.diagnostic} data-severity={severity}>
            <b>{code}</b>
            <span>
              {inOrder(message)}
              {worker !== null && ` (${worker})`}
            </span>
            <small>
              <Moment of={time} /> · {correlationId}
            </small>
          </li>
        ))}
      </ul>
    </section>
  );
};

const STATE_WORDS: Readonly<Record<RuntimeEntry['state'], string>> = {
  ok: 'running',
  starting: 'is starting',
  unreachable: 'does not answer',
  foreign: 'another runtime answers at its address',
  refused: 'refuses the credentials of the server',
  failed: 'has failed',
};

/** States that the server cannot reach a runtime, since when, and where its log has the cause. */
const StateLine = ({ entry: { state, since, error } }: { readonly entry: RuntimeEntry }) => (
  <p className={styles.absent}>
    {STATE_WORDS[state]}, since <Moment of={since} />
    {error !== null && ` (${error.code}${error.correlationId === null ? '' : `, ${error.correlationId}`})`}
  </p>
);

/** A runtime that has never told the server its id. */
const UnknownRuntime = ({ entry }: { readonly entry: RuntimeEntry }) => (
  <article className={styles.card} aria-label={entry.name}>
    <header className={styles.head}>
      <h2>{entry.name}</h2>
      <span className={styles.state} data-state="lost">
        {entry.state}
      </span>
    </header>
    <StateLine entry={entry} />
  </article>
);

const RuntimeCard = ({ runtime }: { readonly runtime: ConnectedRuntime }) => {
  const { entry, name, runtimeId } = runtime;
  const { status } = useSource(runtime.link);
  const isPresent = status === 'live' && entry.state === 'ok';
  return (
    <article className={styles.card} aria-label={name} data-runtime={runtimeId}>
      <header className={styles.head}>
        <h2>{name}</h2>
        <span
          className={styles.state}
          data-state={isPresent ? 'live' : status === 'connecting' ? status : 'lost'}
        >
          {isPresent
            ? (entry.summary?.status ?? entry.state)
            : status === 'connecting'
              ? status
              : 'not connected'}
        </span>
      </header>
      <p className={styles.quiet}>
        <code>{runtimeId}</code>
      </p>
      {entry.state !== 'ok' && <StateLine entry={entry} />}
      {entry.summary !== null && <Summary summary={entry.summary} />}
      {entry.summary !== null && <Diagnostics runtime={runtime} />}
      {entry.summary !== null && <Limits limits={entry.summary.limits} />}
    </article>
  );
};

const Limits = ({ limits }: Pick<RuntimeSummary, 'limits'>) => (
  <details className={styles.section}>
    <summary>Limits</summary>
    <dl className={styles.limits}>
      {Object.entries(limits).map(([limit, value]) => (
        <div key={limit}>
          <dt>{limit}</dt>
          <dd>{numberText(value)}</dd>
        </div>
      ))}
    </dl>
  </details>
);

/** What a runtime told about itself. */
const Summary = ({
  summary: { store, versions, workers, engines, startedAt },
}: {
  readonly summary: RuntimeSummary;
}) => {
  return (
    <>
      <ul className={styles.counts}>
        {STATUSES.map((condition) => (
          <li key={condition}>
            <StatusMark condition={condition} />
            <b>{numberText(workers[condition])}</b> {condition}
          </li>
        ))}
      </ul>
      <dl className={styles.facts}>
        <Fact name="Store">
          {store.kind}
          {store.durable ? '' : ', lost at exit'}
          {store.healthy ? '' : ', not healthy'}
        </Fact>
        <Fact name="Stored">
          {sizeText(store.eventBytes)} of events, {sizeText(store.fileBytes)} of files
        </Fact>
        <Fact name="Version">
          {versions.runtime} (protocol {versions.protocol})
        </Fact>
        <Fact name="Running for">
          <Age of={startedAt} />
        </Fact>
      </dl>
      <section className={styles.section} aria-label="Engines">
        <h3>Engines</h3>
        {engines.length === 0 && (
          <p className={styles.quiet}>None: this runtime can only show its Workers.</p>
        )}
        <ul>
          {engines.map((engine) => (
            <EngineLine key={engine.name} engine={engine} />
          ))}
        </ul>
      </section>
    </>
  );
};

/** The runtimes behind this server. */
export const RuntimesPage = () => {
  const { items, unknown, isLoaded } = useSource(backend);
  // counts and status as they are now
  useEffect(() => void backend.refresh(), []);
  return (
    <Page title="Runtimes">
      {!isLoaded && <Reading />}
      {items.map((runtime) => (
        <RuntimeCard key={runtime.runtimeId} runtime={runtime} />
      ))}
      {unknown.map((entry) => (
        <UnknownRuntime key={entry.name} entry={entry} />
      ))}
    </Page>
  );
};
