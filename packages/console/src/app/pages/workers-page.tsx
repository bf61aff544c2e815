import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { defaultRangeExtractor, useVirtualizer } from '@tanstack/react-virtual';
import type { WorkerSummary } from '@worker-runtime/core';
import { memo, useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { workers as allWorkers, backend } from '../live/server.ts';
import { useSource } from '../live/source.ts';
import { AbsentRuntimes } from '../parts/absent-runtimes.tsx';
import { announce } from '../parts/announce.ts';
import { buttonClass } from '../parts/button.tsx';
import { CONDITION_WORDS, conditionOf } from '../parts/condition.ts';
import { numberText } from '../parts/duration.ts';
import { ListFilter, Plus, Search, X } from '../parts/icons.ts';
import { inOrder } from '../parts/in-order.ts';
import { Reading } from '../parts/reading.tsx';
import { ScrollRegion } from '../parts/scroll-region.tsx';
import { StatusMark } from '../parts/status.tsx';
import { Age } from '../parts/time.tsx';
import { useHeld } from '../parts/use-held.ts';
import { useKeys } from '../parts/use-keys.ts';
import { useTitle } from '../parts/use-title.ts';
import type { WorkersSearch } from '../search.ts';
import { BulkBar } from './bulk-bar.tsx';
import { FirstWorker } from './first-worker.tsx';
import { type Facet, GROUPS, keyOf, type ListLine, listWorkers, nameOf } from './worker-list.ts';
import styles from './workers-page.module.css';

const LINE_PX = 60;
const GROUP_PX = 44;
/** The time after which a person has typed what is searched for. */
const TYPED_MS = 700;

/** Returns a list with a value added, or removed if it was there; undefined for an empty list. */
const toggled = (list: readonly string[] | undefined, value: string): readonly string[] | undefined => {
  const next = list?.includes(value) ? list.filter((one) => one !== value) : [...(list ?? []), value];
  return next.length > 0 ? next : undefined;
};

/** Replaces parts of the search and removes those that are undefined. */
const changed = (
  search: WorkersSearch,
  change: { readonly [K in keyof WorkersSearch]: WorkersSearch[K] | undefined },
) =>
  Object.fromEntries(
    Object.entries({ ...search, ...change }).filter(([, value]) => value !== undefined),
  ) as WorkersSearch;

const FacetMenu = ({
  name,
  facets,
  chosen,
  onToggle,
}: {
  readonly name: string;
  readonly facets: readonly Facet[];
  readonly chosen: readonly string[] | undefined;
  readonly onToggle: (value: string) => void;
}) => {
  const id = `facet-${name.toLowerCase()}`;
  // a value that no Worker has any more can still be removed
  const gone = (chosen ?? []).filter((value) => !facets.some((facet) => facet.value === value));
  const all: readonly Facet[] = [...facets, ...gone.map((value) => ({ value, count: 0 }))];
  if (all.length === 0) return null;
  return (
    <div className={styles.facet}>
      <button type="button" className={styles.filter} popoverTarget={id} aria-pressed={chosen !== undefined}>
        <ListFilter size={14} aria-hidden />
        {name}
        {chosen !== undefined && <b>{chosen.length}</b>}
      </button>
      <div id={id} popover="auto" className={styles.menu}>
        {all.map(({ value, name: shown = value, count }) => (
          <label key={value} className={styles.option}>
            <input
              type="checkbox"
              checked={chosen?.includes(value) ?? false}
              onChange={() => onToggle(value)}
            />
            <span>{shown}</span>
            <small>{numberText(count)}</small>
          </label>
        ))}
      </div>
    </div>
  );
};

interface LineProps {
  readonly worker: WorkerSummary;
  readonly place: number;
  readonly isSelected: boolean;
  readonly runtimeName: string | null;
  readonly onSelect: (key: string) => void;
}

const WorkerLine = memo(({ worker, place, isSelected, runtimeName, onSelect }: LineProps) => {
  const { runtimeId, workerId, engine, labels, queued, updatedAt, run, execution } = worker;
  const condition = conditionOf(worker);
  const name = nameOf(worker);
  const pairs = Object.entries(labels);
  return (
    <div className={styles.line} data-worker={keyOf(worker)} data-status={condition}>
      <label className={styles.select}>
        <input
          type="checkbox"
          tabIndex={-1}
          checked={isSelected}
          aria-label={`Select ${name}`}
          onChange={() => onSelect(keyOf(worker))}
        />
      </label>
      <Link
        to="/runtimes/$r/workers/$w"
        params={{ r: runtimeId, w: workerId }}
        className={styles.link ?? ''}
        data-place={place}
        preload={false}
      >
        <span className={styles.mark}>
          <StatusMark condition={condition} isNamed />
        </span>
        <span className={styles.names}>
          <span className={styles.name}>{name}</span>
          <span className={styles.sub}>
            {name !== workerId && <span>{workerId}</span>}
            {execution.lastError !== null && condition !== 'running' && (
              <span className={styles.failure}>{execution.lastError.message}</span>
            )}
          </span>
        </span>
        <span className={styles.labels}>
          {pairs.slice(0, 3).map(([key, value]) => (
            <span key={key} className={styles.label}>
              {inOrder(key)}
              <i>=</i>
              {inOrder(value)}
            </span>
          ))}
          {pairs.length > 3 && <span className={styles.label}>+{pairs.length - 3}</span>}
        </span>
        <span className={styles.engine}>
          {engine}
          {runtimeName !== null && <small>{runtimeName}</small>}
        </span>
        <span className={styles.state}>
          {queued > 0 && <span className={styles.queued}>{queued} queued</span>}
          <span className={styles.age}>
            <Age of={run?.startedAt ?? updatedAt} />
          </span>
        </span>
      </Link>
    </div>
  );
});
WorkerLine.displayName = 'WorkerLine';

/** The home: all Workers, those that wait for a person first. */
export const WorkersPage = () => {
  useTitle('Workers');
  const search = useSearch({ from: '/workers' });
  const navigate = useNavigate({ from: '/workers' });
  const { items, isComplete } = useSource(allWorkers);
  const runtimes = useSource(backend).items;
  const [failure, setFailure] = useState<string | null>(null);
  const isFirst = useRef(true);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const field = useRef<HTMLInputElement>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const list = useHeld(
    useMemo(() => listWorkers(items, search), [items, search]),
    scroller,
  );
  /** The Worker that had the focus last. The list changes its order, so it is not kept by its place. */
  const focusedKey = useRef<string | null>(null);

  const lineOf = (key: string | null): number =>
    key === null ? -1 : list.lines.findIndex((line) => line.type === 'worker' && keyOf(line.worker) === key);

  // another function of keys lets the virtualizer place all lines again: once for each list, and not for each step of a scroll
  const getItemKey = useCallback(
    (at: number) => {
      const line = list.lines[at] as ListLine;
      return line.type === 'group' ? `group ${line.condition}` : keyOf(line.worker);
    },
    [list],
  );
  const virtualizer = useVirtualizer({
    count: list.lines.length,
    getScrollElement: () => scroller.current,
    estimateSize: (at) => (list.lines[at]?.type === 'group' ? GROUP_PX : LINE_PX),
    getItemKey,
    overscan: 10,
    // the line that has the focus stays in the document, wherever its Worker moves
    rangeExtractor: (range) => {
      const focused = lineOf(focusedKey.current);
      const shown = defaultRangeExtractor(range);
      return focused === -1 || shown.includes(focused)
        ? shown
        : [...shown, focused].toSorted((a, b) => a - b);
    },
  });

  const count = list.workers.length;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the result of a search is announced, and not each Worker that comes later
  useEffect(() => {
    if (isFirst.current) {
      isFirst.current = false;
      return undefined;
    }
    const timer = setTimeout(
      () => announce(count === 1 ? '1 Worker' : `${numberText(count)} Workers`),
      TYPED_MS,
    );
    return () => clearTimeout(timer);
  }, [search]);

  const change = (next: Parameters<typeof changed>[1]): void =>
    void navigate({ search: (before) => changed(before, next), replace: true });

  const onSelect = useCallback((key: string) => {
    setSelected((before) => {
      const next = new Set(before);
      if (!next.delete(key)) next.add(key);
      return next;
    });
  }, []);

  const focusAt = (place: number): void => {
    const bounded = Math.max(0, Math.min(list.workers.length - 1, place));
    const worker = list.workers[bounded];
    if (worker === undefined) return;
    const key = keyOf(worker);
    focusedKey.current = key;
    virtualizer.scrollToIndex(lineOf(key), { align: 'auto' });
    const focus = (): void =>
      scroller.current
        ?.querySelector<HTMLElement>(`[data-worker="${CSS.escape(key)}"] [data-place]`)
        ?.focus({ preventScroll: true });
    requestAnimationFrame(() => requestAnimationFrame(focus));
  };
  const place = (): number => list.workers.findIndex((worker) => keyOf(worker) === focusedKey.current);
  /** Acts on the Worker that has the focus. Without one, the next Worker gets it: a key acts on no Worker unseen. */
  const atFocus = (act: (worker: WorkerSummary) => void): void => {
    const key = document.activeElement?.closest<HTMLElement>('[data-worker]')?.dataset.worker;
    const worker = list.workers.find((one) => keyOf(one) === key);
    if (worker) act(worker);
    else focusAt(Math.max(0, place()));
  };
  useKeys({
    j: () => focusAt(place() + 1),
    k: () => focusAt(place() - 1),
    ArrowDown: () => focusAt(place() + 1),
    ArrowUp: () => focusAt(place() - 1),
    x: () =>
      atFocus((worker) => {
        announce(`${nameOf(worker)} ${selected.has(keyOf(worker)) ? 'is not selected' : 'is selected'}`);
        onSelect(keyOf(worker));
      }),
    c: () =>
      atFocus((worker) => {
        if (!worker.run) return;
        backend
          .find(worker.runtimeId)
          ?.api.cancelRun(worker.workerId)
          .then(
            () => {
              setFailure(null);
              announce(`The run of ${nameOf(worker)} is cancelled`);
            },
            (error: Error) => setFailure(`The run of ${nameOf(worker)} was not cancelled: ${error.message}`),
          );
      }),
    n: () => void navigate({ to: '/workers/new' }),
    '/': () => field.current?.focus(),
    Escape: () => setSelected(new Set()),
  });

  const isFiltered = search.q ?? search.status ?? search.engine ?? search.label ?? search.runtime;
  const chosen = items.filter((worker) => selected.has(keyOf(worker)));

  return (
    <div className={styles.page}>
      <header className={styles.head}>
        <h1>Workers</h1>
        <label className={styles.search}>
          <Search size={16} aria-hidden />
          <input
            ref={field}
            type="search"
            placeholder="Name, id, label, engine"
            aria-label="Find Workers"
            value={search.q ?? ''}
            onChange={({ target }) => change({ q: target.value === '' ? undefined : target.value })}
            onKeyDown={(event) => {
              if (event.key === 'Escape') event.currentTarget.blur();
              if (event.key === 'ArrowDown' || event.key === 'Enter') focusAt(0);
            }}
          />
          <kbd aria-hidden>/</kbd>
        </label>
        <Link to="/workers/new" className={buttonClass({ tone: 'primary' })}>
          <Plus size={16} aria-hidden />
          New Worker
        </Link>
      </header>

      <div className={styles.notice}>
        <AbsentRuntimes />
        {failure !== null && (
          <p className={styles.refused} role="alert">
            {failure}
          </p>
        )}
      </div>
      {items.length > 0 && (
        <div className={styles.filters}>
          {GROUPS.filter((group) => list.statuses[group] > 0 || search.status?.includes(group)).map(
            (group) => (
              <button
                key={group}
                type="button"
                className={styles.filter}
                aria-pressed={search.status?.includes(group) ?? false}
                onClick={() => change({ status: toggled(search.status, group) })}
              >
                <StatusMark condition={group} />
                {CONDITION_WORDS[group]}
                <b>{numberText(list.statuses[group])}</b>
              </button>
            ),
          )}
          <span className={styles.gap} />
          <FacetMenu
            name="Engine"
            facets={list.engines}
            chosen={search.engine}
            onToggle={(value) => change({ engine: toggled(search.engine, value) })}
          />
          <FacetMenu
            name="Label"
            facets={list.labels}
            chosen={search.label}
            onToggle={(value) => change({ label: toggled(search.label, value) })}
          />
          {runtimes.length > 1 && (
            <FacetMenu
              name="Runtime"
              facets={runtimes.map(({ runtimeId, name }) => ({
                value: runtimeId,
                name,
                count: list.runtimes.get(runtimeId) ?? 0,
              }))}
              chosen={search.runtime}
              onToggle={(value) => change({ runtime: toggled(search.runtime, value) })}
            />
          )}
          <label className={styles.sort}>
            <span className="visually-hidden">Order</span>
            <select
              value={search.sort ?? ''}
              onChange={({ target }) => change({ sort: target.value === '' ? undefined : target.value })}
            >
              <option value="">By activity</option>
              <option value="name">By name</option>
              <option value="created">Newest first</option>
            </select>
          </label>
          {isFiltered !== undefined && (
            <button
              type="button"
              className={styles.clear}
              onClick={() =>
                void navigate({ search: search.sort ? { sort: search.sort } : {}, replace: true })
              }
            >
              <X size={14} aria-hidden />
              Clear
            </button>
          )}
        </div>
      )}

      {items.length === 0 && !isComplete && <Reading />}
      {items.length === 0 && isComplete && <FirstWorker runtime={runtimes[0]} />}
      {items.length > 0 && list.workers.length === 0 && (
        <p className={styles.none}>None of the {numberText(items.length)} Workers fits these filters.</p>
      )}
      <ScrollRegion
        ref={scroller}
        className={styles.scroller}
        aria-label="List of Workers"
        onFocus={({ target }) => {
          focusedKey.current =
            target.closest<HTMLElement>('[data-worker]')?.dataset.worker ?? focusedKey.current;
        }}
      >
        <ul className={styles.list} style={{ height: virtualizer.getTotalSize() }}>
          {virtualizer.getVirtualItems().map(({ key, index, start, size }) => {
            const line = list.lines[index];
            if (line === undefined) return null;
            const style = { transform: `translateY(${start}px)`, height: size };
            return (
              <li
                key={key}
                className={styles.row}
                style={style}
                {...(line.type === 'worker' && {
                  'aria-posinset': line.place + 1,
                  'aria-setsize': list.workers.length,
                })}
              >
                {line.type === 'group' ? (
                  <h2 className={styles.group}>
                    {CONDITION_WORDS[line.condition]}
                    <span>{numberText(line.count)}</span>
                  </h2>
                ) : (
                  <WorkerLine
                    worker={line.worker}
                    place={line.place}
                    isSelected={selected.has(keyOf(line.worker))}
                    runtimeName={
                      runtimes.length > 1 ? (backend.find(line.worker.runtimeId)?.name ?? null) : null
                    }
                    onSelect={onSelect}
                  />
                )}
              </li>
            );
          })}
        </ul>
      </ScrollRegion>
      {chosen.length > 0 && <BulkBar workers={chosen} onClose={() => setSelected(new Set())} />}
    </div>
  );
};
