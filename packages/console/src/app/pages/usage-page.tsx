import { getRouteApi, Link } from '@tanstack/react-router';
import type { PriceList, UsageReport } from '@worker-runtime/core/views';
import { useEffect, useId, useMemo, useState } from 'react';
import type { ConnectedRuntime } from '../live/backend.ts';
import { call, Refusal } from '../live/call.ts';
import { backend, workers } from '../live/server.ts';
import { useSource } from '../live/source.ts';
import { Button } from '../parts/button.tsx';
import { CodeSample } from '../parts/copyable.tsx';
import { numberText } from '../parts/duration.ts';
import { Empty } from '../parts/empty.tsx';
import field from '../parts/field.module.css';
import { Page } from '../parts/page.tsx';
import { Reading } from '../parts/reading.tsx';
import styles from './usage-page.module.css';
import { sumUp, type UsageSum, type UsageSums } from './usage-sums.ts';
import { nameOf } from './worker-list.ts';

const route = getRouteApi('/usage');

/** The number of Workers in the table. */
const SHOWN_WORKERS = 100;
/** The numbers of days that the page offers. */
const PERIODS = [1, 7, 31] as const;
const ALL_DAYS = 31;
/** The number of labels that the field suggests. */
const SUGGESTED_LABELS = 50;

/** What the runtimes reported. */
interface Read {
  readonly reports: readonly UsageReport[];
  readonly prices: PriceList | null;
  /** The runtimes that did not answer, with the reason. */
  readonly missing: readonly { readonly name: string; readonly reason: string }[];
}

/** Reads the prices of the server. A server of an earlier version has none. */
const readPrices = async (): Promise<PriceList | null> => {
  try {
    return (await call<{ readonly prices: PriceList | null }>('GET', 'v1/prices')).prices;
  } catch (error) {
    if (error instanceof Refusal && error.status === 404) return null;
    throw error;
  }
};

const labelsIn = (texts: readonly string[]): Readonly<Record<string, string>> =>
  Object.fromEntries(texts.map((text) => [text.split('=', 1)[0], text.slice(text.indexOf('=') + 1)]));

const read = async (
  runtimes: readonly ConnectedRuntime[],
  days: number,
  labels: readonly string[],
): Promise<Read> => {
  const asked = runtimes.map(async ({ api, name, entry }) => {
    const limit = Math.min(SHOWN_WORKERS, entry.summary?.limits.pageItems ?? SHOWN_WORKERS);
    try {
      return { name, report: await api.usage({ days, limit, labels: labelsIn(labels) }) };
    } catch (error) {
      return { name, reason: error instanceof Error ? error.message : String(error) };
    }
  });
  const [prices, answers] = await Promise.all([readPrices(), Promise.all(asked)]);
  return {
    prices,
    reports: answers.flatMap(({ report }) => report ?? []),
    missing: answers.flatMap(({ name, reason }) => (reason === undefined ? [] : { name, reason })),
  };
};

/** Returns the text of an amount: small ones with as many digits as they need. */
const amountText =
  ({ currency }: PriceList) =>
  (amount: number | null): string => {
    if (amount === null) return '–';
    const digits = amount !== 0 && amount < 0.1 ? 4 : 2;
    return new Intl.NumberFormat('en', {
      style: 'currency',
      currency,
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
    }).format(amount);
  };

interface TableProps {
  readonly title: string;
  readonly subject: string;
  readonly rows: readonly UsageSum[];
  readonly nameOf: (row: UsageSum, at: number) => React.ReactNode;
  readonly costText: ((cost: number | null) => string) | null;
}

const Table = ({ title, subject, rows, nameOf: name, costText }: TableProps) => {
  const most = Math.max(1, ...rows.map(({ input, output }) => input + output));
  return (
    <section className={styles.section}>
      <h2>{title}</h2>
      <table className={styles.table} data-usage={subject}>
        <thead>
          <tr>
            <th scope="col">{subject}</th>
            <th scope="col">Input</th>
            <th scope="col">Output</th>
            {costText && <th scope="col">Cost</th>}
            <th scope="col">
              <span className="visually-hidden">Share</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row, at) => (
            <tr key={row.key}>
              <th scope="row">{name(row, at)}</th>
              <td>{numberText(row.input)}</td>
              <td>{numberText(row.output)}</td>
              {costText && <td>{costText(row.cost)}</td>}
              <td>
                <span
                  className={styles.share}
                  data-bar
                  style={{ width: `${((row.input + row.output) / most) * 100}%` }}
                />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
};

/** The days as columns. The table below has the same numbers as text. */
const Days = ({ days }: { readonly days: readonly UsageSum[] }) => {
  const most = Math.max(1, ...days.map(({ input, output }) => input + output));
  const percent = (tokens: number): string => `${(tokens / most) * 100}%`;
  return (
    <div className={styles.days} data-bar aria-hidden>
      {days.map(({ key, input, output }) => (
        <span key={key} title={`${key}: ${numberText(input)} in, ${numberText(output)} out`}>
          <i style={{ height: percent(output) }} />
          <b style={{ height: percent(input) }} />
        </span>
      ))}
    </div>
  );
};

const EXAMPLE = JSON.stringify({
  currency: 'USD',
  models: { 'sonnet*': { input: 3, output: 15, cacheRead: 0.3 } },
});

/** Explains how the server learns prices. */
const WithoutPrices = () => (
  <section className={styles.section} data-without-prices>
    <h2>Costs</h2>
    <p className={styles.quiet}>
      This page shows costs when the server knows the prices of a million tokens of your models. A name may
      end with
      <code> *</code>. Whoever runs the server sets them:
    </p>
    <CodeSample title="In the file of a backend" code={`{ "prices": ${EXAMPLE} }`} />
    <CodeSample
      title="For a single runtime"
      code={`worker-runtime serve --console --http.prices '${EXAMPLE}'`}
    />
  </section>
);

const Unpriced = ({ models }: { readonly models: readonly string[] }) =>
  models.length === 0 ? null : (
    <p className={styles.quiet} data-unpriced>
      Without a price, and not part of the costs:{' '}
      {models.map((model) => model || 'calls without a model').join(', ')}.
    </p>
  );

const Report = ({ sums, prices }: { readonly sums: UsageSums; readonly prices: PriceList | null }) => {
  const costText = prices && amountText(prices);
  const used = sums.days.filter(({ input, output }) => input + output > 0).toReversed();
  const shown = sums.workers.slice(0, SHOWN_WORKERS);
  return (
    <>
      <Days days={sums.days} />
      <Unpriced models={sums.unpriced} />
      <Table title="By day" subject="Day" rows={used} nameOf={({ key }) => key} costText={costText} />
      <Table
        title="By model"
        subject="Model"
        rows={sums.models}
        nameOf={({ key }) => key || 'no model'}
        costText={costText}
      />
      <Table
        title="By Worker"
        subject="Worker"
        rows={shown}
        costText={costText}
        nameOf={(_, at) => {
          const { runtimeId, workerId, displayName } = shown[at] as (typeof shown)[number];
          const live = workers.find(runtimeId, workerId);
          return (
            <Link to="/runtimes/$r/workers/$w" params={{ r: runtimeId, w: workerId }} preload={false}>
              {nameOf(live ?? { displayName, workerId })}
            </Link>
          );
        }}
      />
      {sums.workersWithUsage > shown.length && (
        <p className={styles.quiet}>
          And {numberText(sums.workersWithUsage - shown.length)} Workers that used less.
        </p>
      )}
    </>
  );
};

/** The labels of the Workers, those of most Workers first. */
const suggestedLabels = (): readonly string[] => {
  const counts = new Map<string, number>();
  for (const { labels } of workers.get().items)
    for (const [name, value] of Object.entries(labels))
      counts.set(`${name}=${value}`, (counts.get(`${name}=${value}`) ?? 0) + 1);
  return [...counts]
    .toSorted(([, one], [, other]) => other - one)
    .slice(0, SUGGESTED_LABELS)
    .map(([label]) => label);
};

const Filters = ({ days, label }: { readonly days: number; readonly label: string }) => {
  const navigate = route.useNavigate();
  const [suggested, setSuggested] = useState<readonly string[]>([]);
  const list = useId();
  return (
    <form
      className={styles.filters}
      onSubmit={(event) => {
        event.preventDefault();
        const text = new FormData(event.currentTarget).get('label');
        const given = typeof text === 'string' && text.includes('=', 1) ? text : undefined;
        void navigate({ search: (before) => ({ ...before, label: given }), replace: true });
      }}
    >
      <label className={field.field}>
        <span>Days</span>
        <select
          value={days}
          onChange={({ target }) =>
            void navigate({ search: (before) => ({ ...before, days: target.value }), replace: true })
          }
        >
          {PERIODS.map((count) => (
            <option key={count} value={count}>
              {count === 1 ? 'today' : `${count} days`}
            </option>
          ))}
        </select>
      </label>
      <label className={field.field}>
        <span>Label</span>
        <input
          key={label}
          name="label"
          defaultValue={label}
          placeholder="team=blue"
          autoComplete="off"
          list={list}
          onFocus={() => setSuggested(suggestedLabels())}
        />
      </label>
      <datalist id={list}>
        {suggested.map((one) => (
          <option key={one} value={one} />
        ))}
      </datalist>
      <Button type="submit">Show</Button>
    </form>
  );
};

/** The tokens that Workers used, by day, model and Worker, and what they cost. */
export const UsagePage = () => {
  const search = route.useSearch();
  const days = PERIODS.find((count) => String(count) === search.days) ?? ALL_DAYS;
  const label = search.label ?? '';
  const { isLoaded, items } = useSource(backend);
  // the list is another one after each of its reads
  const ids = items.map(({ runtimeId }) => runtimeId).join();
  const [asked, setAsked] = useState(0);
  const [state, setState] = useState<Read | { readonly failure: string } | null>(null);

  useEffect(() => {
    void asked;
    void ids;
    if (!isLoaded) return undefined;
    let isCurrent = true;
    const settle = (next: typeof state): void => {
      if (isCurrent) setState(next);
    };
    read(backend.get().items, days, label === '' ? [] : [label]).then(settle, (error: Error) =>
      settle({ failure: error.message }),
    );
    return () => {
      isCurrent = false;
    };
  }, [isLoaded, ids, days, label, asked]);

  const found = state && 'reports' in state ? state : null;
  const sums = useMemo(() => found && sumUp(found.reports, found.prices), [found]);
  const total = sums ? sums.total.input + sums.total.output : 0;
  const before = sums ? sums.earlier.input + sums.earlier.output : 0;
  const costText = found?.prices ? amountText(found.prices) : null;

  return (
    <Page title="Usage">
      <Filters days={days} label={label} />
      {state === null && <Reading />}
      {state && 'failure' in state && <p role="alert">The usage could not be read: {state.failure}</p>}
      {found?.missing.map(({ name, reason }) => (
        <p key={name} role="alert">
          The usage of {name} could not be read: {reason}
        </p>
      ))}
      {sums && total === 0 && (
        <Empty title={before > 0 ? 'No tokens were used in these days' : 'No tokens were used yet'}>
          <p>
            Engines record the tokens of each call of a model. Their sums appear here, by day, by model and by
            Worker.
          </p>
          {before > 0 && <p>{numberText(before)} tokens were used at other times.</p>}
        </Empty>
      )}
      {sums && total > 0 && (
        <>
          <p className={styles.total} data-usage-total>
            <b>{numberText(total)}</b> tokens of {numberText(sums.workersWithUsage)}{' '}
            {sums.workersWithUsage === 1 ? 'Worker' : 'Workers'}
            {costText && sums.total.cost !== null && (
              <>
                {' '}
                for <b data-usage-cost>{costText(sums.total.cost)}</b>
              </>
            )}
            {before > 0 && ` · ${numberText(before)} at other times`}{' '}
            <Button tone="quiet" onClick={() => setAsked((count) => count + 1)}>
              Read again
            </Button>
          </p>
          <Report sums={sums} prices={found?.prices ?? null} />
        </>
      )}
      {found?.prices === null && <WithoutPrices />}
    </Page>
  );
};
