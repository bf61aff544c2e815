import { Link } from '@tanstack/react-router';
import { useMemo, useRef, useState } from 'react';
import { useSource } from '../live/source.ts';
import { announce } from '../parts/announce.ts';
import { Button } from '../parts/button.tsx';
import { durationText, numberText } from '../parts/duration.ts';
import { Empty } from '../parts/empty.tsx';
import { ZoomIn, ZoomOut } from '../parts/icons.ts';
import { Reading } from '../parts/reading.tsx';
import { ScrollRegion } from '../parts/scroll-region.tsx';
import { Moment } from '../parts/time.tsx';
import { useKeys } from '../parts/use-keys.ts';
import { useNow } from '../parts/use-now.ts';
import { OlderButton } from './older-button.tsx';
import { type Bar, type RunLine, runLines } from './timeline.ts';
import styles from './timeline-view.module.css';
import { useWorker } from './worker-context.ts';

const ZOOM = 1.6;
const MOST_ZOOM = 200;
const TICKS = 4;
/** The distance from the newest run within which a person sees it. */
const END_PX = 40;

const KIND_WORDS: Readonly<Record<Bar['kind'], string>> = {
  step: 'Step',
  call: 'Tool call',
  wait: 'Waiting',
};

const BarLine = ({
  bar,
  run,
  total,
  now,
}: {
  readonly bar: Bar;
  readonly run: RunLine;
  readonly total: number;
  readonly now: number;
}) => {
  const { runtime, workerId } = useWorker();
  const to = bar.to ?? now;
  const left = `${((bar.from - run.from) / total) * 100}%`;
  const width = `${((to - bar.from) / total) * 100}%`;
  const text = `${bar.name}, ${durationText(to - bar.from)}${bar.isFailed ? ', failed' : ''}${bar.to === null ? ', in progress' : ''}`;
  return (
    <Link
      to="/runtimes/$r/workers/$w/events"
      params={{ r: runtime.runtimeId, w: workerId }}
      search={{ at: String(bar.seq) }}
      preload={false}
      className={styles.lane ?? ''}
      data-kind={bar.kind}
      data-failed={bar.isFailed}
      title={text}
    >
      <span className={styles.bar} data-bar style={{ left, width }} />
      <span className={styles.label} style={{ left: `min(${left}, 70%)` }}>
        <span className="visually-hidden">{KIND_WORDS[bar.kind]}: </span>
        {bar.name}
        <small>{durationText(to - bar.from)}</small>
      </span>
    </Link>
  );
};

/** The runs of a Worker as bars. All runs have one scale, and the idle time between them is cut out. */
export const TimelineView = () => {
  const { thread } = useWorker();
  const { events, isLoaded, hasOlder, ended } = useSource(thread);
  const now = useNow();
  const [zoom, setZoom] = useState(1);
  const list = useRef<HTMLDivElement>(null);
  const runs = useMemo(() => runLines(events), [events]);
  const lengthOf = ({ from, to }: RunLine): number => Math.max((to ?? now) - from, 1);
  const longest = Math.max(1, ...runs.map(lengthOf));
  const all = Math.max(
    1,
    runs.reduce((sum, run) => sum + lengthOf(run), 0),
  );
  const zoomTo = (next: number): void => {
    const bounded = Math.min(MOST_ZOOM, Math.max(1, next));
    setZoom(bounded);
    announce(`Zoom ${numberText(Math.round(bounded * 100))} percent`);
  };
  const change = (by: number): void => zoomTo(zoom * by);
  useKeys({
    '+': () => change(ZOOM),
    '=': () => change(ZOOM),
    '-': () => change(1 / ZOOM),
    0: () => zoomTo(1),
  });
  if (!isLoaded && ended === null) return <Reading />;
  if (isLoaded && runs.length === 0)
    return (
      <Empty title="No runs yet">
        <p>
          Each run of this Worker becomes a row here, with its steps, its tool calls, and how long it waited
          for people.
        </p>
      </Empty>
    );
  return (
    <div className={styles.view}>
      <div className={styles.head}>
        <nav className={styles.map} aria-label={`${runs.length} runs, in all ${durationText(all)}`}>
          {runs.map((run) => (
            <button
              key={run.run}
              type="button"
              tabIndex={-1}
              title={run.title}
              data-bar
              data-outcome={run.outcome ?? 'open'}
              style={{ flexGrow: lengthOf(run) / all }}
              onClick={() => document.getElementById(`run-${run.seq}`)?.scrollIntoView({ block: 'start' })}
            />
          ))}
        </nav>
        <Button isIcon aria-label="Zoom out (-)" disabled={zoom === 1} onClick={() => change(1 / ZOOM)}>
          <ZoomOut size={16} aria-hidden />
        </Button>
        <Button isIcon aria-label="Zoom in (+)" disabled={zoom === MOST_ZOOM} onClick={() => change(ZOOM)}>
          <ZoomIn size={16} aria-hidden />
        </Button>
      </div>
      <ScrollRegion
        ref={list}
        className={styles.scroller}
        aria-label="Runs"
        onScroll={({ currentTarget }) => {
          thread.isAtEnd = currentTarget.scrollTop < END_PX;
        }}
      >
        <div className={styles.wide} style={{ width: `${zoom * 100}%` }}>
          <div className={styles.axis} aria-hidden>
            {Array.from({ length: TICKS }, (_, at) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: a tick has no other identity than its place
              <span key={at}>{at === 0 ? '0' : durationText((longest * at) / TICKS)}</span>
            ))}
          </div>
          {runs.toReversed().map((run) => (
            <section key={run.run} id={`run-${run.seq}`} className={styles.run} aria-label={run.title}>
              <header className={styles.title}>
                <h2>{run.title}</h2>
                <span>
                  <Moment of={new Date(run.from).toISOString()} /> · {durationText(lengthOf(run))} ·{' '}
                  {run.outcome ?? 'in progress'}
                </span>
              </header>
              <div className={styles.track}>
                <span
                  className={styles.whole}
                  data-bar
                  data-outcome={run.outcome ?? 'open'}
                  style={{ width: `${(lengthOf(run) / longest) * 100}%` }}
                />
                {run.bars.map((bar) => (
                  <BarLine key={bar.seq} bar={bar} run={run} total={longest} now={now} />
                ))}
              </div>
            </section>
          ))}
        </div>
        {hasOlder && (
          <div className={styles.older}>
            <OlderButton thread={thread} name="Earlier runs" />
          </div>
        )}
      </ScrollRegion>
    </div>
  );
};
