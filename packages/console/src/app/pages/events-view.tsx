import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useVirtualizer } from '@tanstack/react-virtual';
import type { Cursor, EventType, WorkerEvent } from '@worker-runtime/core';
import { jsonText, markdownOf } from '@worker-runtime/core/views';
import { useEffect, useMemo, useRef, useState } from 'react';
import { LongText } from '../conversation/long-text.tsx';
import { usePast } from '../live/past.ts';
import { useSource } from '../live/source.ts';
import { Archived } from '../parts/archived.tsx';
import { buttonClass } from '../parts/button.tsx';
import { CopyButton } from '../parts/copyable.tsx';
import { numberText } from '../parts/duration.ts';
import { ChevronRight, Download, ListFilter } from '../parts/icons.ts';
import { Reading } from '../parts/reading.tsx';
import { ScrollRegion, ScrollText } from '../parts/scroll-region.tsx';
import { useHeld } from '../parts/use-held.ts';
import { gistOf, isFailure } from './event-gist.ts';
import styles from './events-view.module.css';
import { OlderButton } from './older-button.tsx';
import { useWorker } from './worker-context.ts';

const LINE_PX = 36;
/** A longer event is shown in part first. */
const SHOWN_CHARS = 40_000;
const NONE: readonly WorkerEvent[] = [];
const EXPORT_ITEMS = 1_000;

const clock = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  fractionalSecondDigits: 3,
});

/** Offers a text as a file. */
const save = (name: string, type: string, parts: readonly string[]): void => {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([...parts], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
};

const EventLine = ({
  event,
  isOpen,
  isMarked,
  onToggle,
}: {
  readonly event: WorkerEvent;
  readonly isOpen: boolean;
  readonly isMarked: boolean;
  readonly onToggle: () => void;
}) => {
  const { runtime, workerId } = useWorker();
  const { seq, time, type } = event;
  const params = { r: runtime.runtimeId, w: workerId };
  return (
    <div className={styles.event} data-event={seq} data-marked={isMarked} data-failure={isFailure(event)}>
      <button type="button" className={styles.line} aria-expanded={isOpen} onClick={onToggle}>
        <ChevronRight size={14} aria-hidden />
        <span className={styles.seq}>{seq}</span>
        <time dateTime={time} title={time}>
          {clock.format(new Date(time))}
        </time>
        <b>{type}</b>
        <span className={styles.gist}>{gistOf(event)}</span>
      </button>
      {isOpen && (
        <div className={styles.detail}>
          <LongText text={jsonText(event)} limit={SHOWN_CHARS}>
            {(shown) => <ScrollText>{shown}</ScrollText>}
          </LongText>
          <div className={styles.actions}>
            <CopyButton text={() => JSON.stringify(event)} name="Copy the event" />
            <Link
              to="/runtimes/$r/workers/$w/events"
              params={params}
              search={{ at: String(seq) }}
              className={buttonClass()}
            >
              Link
            </Link>
            <Link
              to="/runtimes/$r/workers/$w"
              params={params}
              search={{ until: String(seq) }}
              className={buttonClass()}
            >
              Conversation as of here
            </Link>
          </div>
        </div>
      )}
    </div>
  );
};

/** The log of a Worker, the newest event first. */
export const EventsView = () => {
  const { runtime, workerId, thread } = useWorker();
  const { types, q = '', at } = useSearch({ from: '/runtimes/$r/workers/$w/events' });
  const navigate = useNavigate({ from: '/runtimes/$r/workers/$w/events' });
  const state = useSource(thread);
  const [opened, setOpened] = useState<ReadonlySet<number>>(new Set());
  const [exported, setExported] = useState<string | null>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const marked = at === undefined ? null : Number(at);
  const chosenTypes = (types ?? []).filter((type) => type !== 'failed') as readonly EventType[];
  const { archived, hasOlder, isLoaded } = state;
  const first = state.events[0]?.seq ?? 0;
  // an event that was not loaded is read from its place: the pages between are not needed
  const isBefore = marked !== null && Number.isSafeInteger(marked) && isLoaded && hasOlder && marked < first;
  const past = usePast(runtime.api, workerId, isBefore ? marked : null);
  const events = isBefore ? (past ?? NONE) : state.events;

  const known = useMemo(() => {
    const counts = new Map<string, number>();
    for (const { type } of events) counts.set(type, (counts.get(type) ?? 0) + 1);
    return [...counts].toSorted(([one], [other]) => (one < other ? -1 : 1));
  }, [events]);

  const found = useMemo(() => {
    const text = q.toLowerCase();
    return events
      .filter(
        (event) =>
          (!types || types.includes(event.type) || (types.includes('failed') && isFailure(event))) &&
          (text === '' || JSON.stringify(event).toLowerCase().includes(text)),
      )
      .toReversed();
  }, [events, types, q]);
  const shown = useHeld(found, scroller);

  const virtualizer = useVirtualizer({
    count: shown.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => LINE_PX,
    getItemKey: (index) => shown[index]?.seq ?? index,
    overscan: 12,
    // newer events come in above: unless a person looks at the newest, what is in view stays where it is
    anchorTo: (scroller.current?.scrollTop ?? 0) > 0 ? 'end' : 'start',
  });

  // biome-ignore lint/correctness/useExhaustiveDependencies: new events must not scroll back to the link
  useEffect(() => {
    if (marked === null || !isLoaded) return;
    const index = shown.findIndex(({ seq }) => seq === marked);
    if (index !== -1) virtualizer.scrollToIndex(index, { align: 'center' });
  }, [marked, isLoaded, past]);

  const toggle = (seq: number): void =>
    setOpened((before) => {
      const next = new Set(before);
      if (!next.delete(seq)) next.add(seq);
      return next;
    });

  const exportEvents = async (chosen: readonly EventType[] = []): Promise<void> => {
    const lines: string[] = [];
    for (let after: Cursor | null = archived?.cursor ?? 'start'; after !== null; ) {
      const page: Awaited<ReturnType<typeof runtime.api.events>> = await runtime.api.events(workerId, {
        after,
        limit: EXPORT_ITEMS,
        ...(chosen.length > 0 && { types: chosen }),
      });
      for (const event of page.items) lines.push(`${JSON.stringify(event)}\n`);
      setExported(`${numberText(lines.length)} events`);
      after = page.next;
    }
    save(`${workerId}.ndjson`, 'application/x-ndjson', lines);
  };
  const exportConversation = async (): Promise<void> => {
    const parts = [`# ${workerId}\n\n`];
    for (let after: Cursor | null = archived?.cursor ?? 'start'; after !== null; ) {
      const page: Awaited<ReturnType<typeof runtime.api.transcript>> = await runtime.api.transcript(
        workerId,
        {
          after,
          limit: EXPORT_ITEMS,
        },
      );
      parts.push(...page.items.map(markdownOf));
      setExported(`${numberText(parts.length - 1)} items`);
      after = page.next;
    }
    save(`${workerId}.md`, 'text/markdown', parts);
  };
  const attempt = (write: () => Promise<void>): void =>
    void write().catch((error: unknown) =>
      setExported(error instanceof Error ? error.message : String(error)),
    );

  return (
    <div className={styles.view}>
      <div className={styles.bar}>
        <input
          type="search"
          className={styles.search}
          placeholder="Text in events"
          aria-label="Find in the events that are loaded"
          value={q}
          onChange={({ target }) =>
            void navigate({ search: (before) => ({ ...before, q: target.value }), replace: true })
          }
        />
        <button type="button" className={buttonClass()} popoverTarget="event-types">
          <ListFilter size={14} aria-hidden />
          {types ? types.join(', ') : 'All types'}
        </button>
        <div id="event-types" popover="auto" className={styles.menu}>
          {[['failed', events.filter(isFailure).length] as const, ...known].map(([type, count]) => (
            <label key={type}>
              <input
                type="checkbox"
                checked={types?.includes(type) ?? false}
                onChange={({ target }) => {
                  const rest = (types ?? []).filter((one) => one !== type);
                  const next = target.checked ? [...rest, type] : rest;
                  void navigate({
                    search: (before) => {
                      const { types: _, ...others } = before;
                      return next.length > 0 ? { ...others, types: next } : others;
                    },
                    replace: true,
                  });
                }}
              />
              <span>{type === 'failed' ? 'Failures only' : type}</span>
              <small>{count}</small>
            </label>
          ))}
        </div>
        <span className={styles.room} role="status">
          {exported}
        </span>
        <button type="button" className={buttonClass()} popoverTarget="event-files">
          <Download size={14} aria-hidden />
          Export
        </button>
        <div id="event-files" popover="auto" className={styles.menu}>
          <button type="button" onClick={() => attempt(() => exportEvents())}>
            All events, as NDJSON
          </button>
          {chosenTypes.length > 0 && (
            <button type="button" onClick={() => attempt(() => exportEvents(chosenTypes))}>
              All events of the chosen types, as NDJSON
            </button>
          )}
          <button type="button" onClick={() => attempt(exportConversation)}>
            The conversation, as Markdown
          </button>
        </div>
      </div>
      {isBefore && (
        <p className={styles.past}>
          The events up to {numberText(marked)}.{' '}
          <Link
            to="/runtimes/$r/workers/$w/events"
            params={{ r: runtime.runtimeId, w: workerId }}
            search={{}}
          >
            Go to the newest
          </Link>
        </p>
      )}
      <ScrollRegion
        ref={scroller}
        className={styles.scroller}
        aria-label="Events"
        onScroll={({ currentTarget }) => {
          thread.isAtEnd = currentTarget.scrollTop < LINE_PX;
        }}
      >
        <div className={styles.list} style={{ height: virtualizer.getTotalSize() }}>
          {virtualizer.getVirtualItems().map(({ key, index, start }) => {
            const event = shown[index];
            return event === undefined ? null : (
              <div
                key={key}
                ref={virtualizer.measureElement}
                data-index={index}
                className={styles.row}
                style={{ transform: `translateY(${start}px)` }}
              >
                <EventLine
                  event={event}
                  isOpen={opened.has(event.seq)}
                  isMarked={event.seq === marked}
                  onToggle={() => toggle(event.seq)}
                />
              </div>
            );
          })}
        </div>
        <div className={styles.older}>
          {!isLoaded && state.ended === null && <Reading />}
          {isLoaded && hasOlder && !isBefore && (
            <OlderButton thread={thread} name={`Earlier than ${first}`} />
          )}
          {isLoaded && archived && (isBefore ? marked < archived.firstSeq : !hasOlder) && (
            <Archived history={archived} />
          )}
          {isLoaded && !archived && !hasOlder && <p>The beginning of the log</p>}
        </div>
      </ScrollRegion>
    </div>
  );
};
