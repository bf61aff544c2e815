import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { type Block, Conversation } from '@worker-runtime/core/views';
import { memo, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import blockStyles from '../conversation/block-view.module.css';
import { BlockView } from '../conversation/block-view.tsx';
import { RequestCard } from '../conversation/request-card.tsx';
import { spokenOf } from '../conversation/spoken.ts';
import { WritingView } from '../conversation/writing-view.tsx';
import { usePast } from '../live/past.ts';
import { randomKey } from '../live/random-key.ts';
import { outbox } from '../live/server.ts';
import { useSource } from '../live/source.ts';
import type { Thread } from '../live/thread.ts';
import { announce } from '../parts/announce.ts';
import { Archived } from '../parts/archived.tsx';
import { Button } from '../parts/button.tsx';
import { Empty } from '../parts/empty.tsx';
import { ArrowDown, History } from '../parts/icons.ts';
import { Reading } from '../parts/reading.tsx';
import { ScrollRegion } from '../parts/scroll-region.tsx';
import { useSettling } from '../parts/settling.ts';
import { Composer } from './composer.tsx';
import styles from './conversation-view.module.css';
import { useWorker } from './worker-context.ts';

/** A request that a person points at, or answers. */
const IN_HAND = '[data-open="true"]:is(:hover, :focus-within)';

/** The number of blocks that are announced at once. After a time without a connection, there may be hundreds of new ones. */
const ANNOUNCED = 3;

/** The distance from the end within which the view follows what is added. */
const FOLLOW_PX = 80;

const BlockList = memo(
  ({
    blocks,
    runtimeId,
    workerId,
  }: {
    readonly blocks: readonly Block[];
    readonly runtimeId: string;
    readonly workerId: string;
  }) =>
    blocks.map((block) => (
      <BlockView key={block.key} block={block} runtimeId={runtimeId} workerId={workerId} />
    )),
);
BlockList.displayName = 'BlockList';

/** The messages that are being written. */
const WritingList = ({ thread }: { readonly thread: Thread }) =>
  useSource(thread.writing).map((message) => <WritingView key={message.message} message={message} />);

/** Shows its children only while no message is being written. */
const WhileNothingIsWritten = ({
  thread,
  children,
}: {
  readonly thread: Thread;
  readonly children: React.ReactNode;
}) => (useSource(thread.writing).length === 0 ? children : null);

/** The inputs of this page whose event has not arrived. */
const Sending = ({ blocks }: { readonly blocks: readonly Block[] }) => {
  const { runtime, workerId } = useWorker();
  const sent = useSource(outbox).filter(
    (item) => item.runtimeId === runtime.runtimeId && item.workerId === workerId,
  );
  const arrived = new Set(blocks.flatMap((block) => (block.kind === 'input' ? (block.sentAs ?? []) : [])));
  return sent
    .filter(({ key }) => !arrived.has(key))
    .map(({ key, text, refusal }) => (
      <div key={key} className={blockStyles.block} data-kind="input" data-sending>
        <article className={blockStyles.input} aria-label="Input that is being sent">
          <p className={blockStyles.said}>{text}</p>
          <footer role="status">
            {refusal === null ? (
              'sending…'
            ) : (
              <span className={styles.refusal}>
                {refusal} <Button onClick={() => outbox.remove(key)}>Discard</Button>
              </span>
            )}
          </footer>
        </article>
      </div>
    ));
};

/** Makes a Worker that continues the conversation after an event, and goes to it. */
const ForkButton = ({ until }: { readonly until: number }) => {
  const { runtime, workerId } = useWorker();
  const navigate = useNavigate();
  const [isBusy, setBusy] = useState(false);
  const [failure, setFailure] = useState<string | null>(null);
  const fork = async (): Promise<void> => {
    setBusy(true);
    setFailure(null);
    try {
      const key = { idempotencyKey: randomKey() };
      const { worker } = await runtime.api.forkWorker(workerId, { at: `@${until}` }, key);
      const params = { r: runtime.runtimeId, w: worker.workerId };
      await navigate({ to: '/runtimes/$r/workers/$w', params, search: {} });
    } catch (error) {
      setFailure(error instanceof Error ? error.message : String(error));
    }
    setBusy(false);
  };
  return (
    <>
      <Button disabled={isBusy} onClick={() => void fork()}>
        Fork from here
      </Button>
      {failure !== null && <span role="alert">{failure}</span>}
    </>
  );
};

/** The scrubber of a conversation as it was. */
const ReplayBar = ({
  until,
  first,
  last,
}: {
  readonly until: number;
  readonly first: number;
  readonly last: number;
}) => {
  const { runtime, workerId } = useWorker();
  const navigate = useNavigate();
  const params = { r: runtime.runtimeId, w: workerId };
  return (
    <section className={styles.replay} aria-label="Replay">
      <History size={16} aria-hidden />
      <label>
        As of event
        <input
          type="range"
          min={first}
          max={last}
          value={Math.min(Math.max(until, first), last)}
          onChange={({ target }) =>
            void navigate({
              to: '/runtimes/$r/workers/$w',
              params,
              search: { until: target.value },
              replace: true,
            })
          }
        />
        <output>{until}</output>
      </label>
      <ForkButton until={Math.min(Math.max(until, first), last)} />
      <Link to="/runtimes/$r/workers/$w" params={params} search={{}}>
        Go to now
      </Link>
    </section>
  );
};

/** Announces the blocks that come while the conversation is shown. */
const useSpoken = (blocks: readonly Block[], isLive: boolean): void => {
  const heard = useRef<number | null>(null);
  useEffect(() => {
    if (!isLive) {
      heard.current = null;
      return;
    }
    const before = heard.current;
    heard.current = Math.max(before ?? 0, blocks.at(-1)?.seq ?? 0);
    if (before === null) return;
    for (const block of blocks.slice(-ANNOUNCED)) {
      const text = block.seq > before ? spokenOf(block) : null;
      if (text !== null) announce(text);
    }
  }, [blocks, isLive]);
};

/** The conversation of a Worker: its last page first, live at its end. */
export const ConversationView = () => {
  const { runtime, workerId, worker, thread } = useWorker();
  const { until: asked } = useSearch({ from: '/runtimes/$r/workers/$w/' });
  const state = useSource(thread);
  const { runtimeId } = runtime;
  const until = asked === undefined ? null : Number(asked);
  const isReplay = until !== null && Number.isSafeInteger(until);
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  /** True while the view stays at the end. This component alone moves the view. */
  const follows = useRef(true);
  /** The place, the height and the first event at the last scroll. */
  const scrolled = useRef({ top: 0, height: 0, first: 0 });
  const [unseen, setUnseen] = useState(false);
  /** The height before earlier events are added, so that the place is kept. */
  const heightBefore = useRef<number | null>(null);

  const firstSeq = state.events[0]?.seq ?? 0;
  // events that were not loaded are read from their place: the pages between are not needed
  const isBefore = isReplay && state.isLoaded && state.hasOlder && (until ?? 0) < firstSeq;
  const past = usePast(runtime.api, workerId, isBefore ? until : null);
  const blocks = useMemo(() => {
    if (!isReplay) return state.blocks;
    const events = isBefore ? (past ?? []) : state.events;
    return new Conversation({ events: events.filter(({ seq }) => seq <= (until ?? 0)) }).blocks;
  }, [isReplay, isBefore, past, until, state.events, state.blocks]);

  useSettling(content, state.isLoaded);
  useSpoken(blocks, state.isLoaded && !isReplay);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the content is there when the thread is loaded
  useEffect(() => {
    const box = scroller.current;
    const inner = content.current;
    if (!box || !inner) return undefined;
    // an open fold or a new message: the end stays in view, unless that moved what a person is about to press
    const observer = new ResizeObserver(() => {
      if (heightBefore.current !== null) {
        box.scrollTop += box.scrollHeight - heightBefore.current;
        heightBefore.current = null;
      } else if (follows.current && !inner.querySelector(IN_HAND)) box.scrollTop = box.scrollHeight;
      else setUnseen(true);
    });
    observer.observe(inner);
    return () => observer.disconnect();
  }, [state.isLoaded]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the thread was loaded, or has removed its oldest events, which may not change the height
  useLayoutEffect(() => {
    const box = scroller.current;
    if (follows.current && box && !box.querySelector(IN_HAND)) box.scrollTop = box.scrollHeight;
  }, [state.isLoaded, firstSeq]);

  const readOlder = (): void => {
    heightBefore.current = scroller.current?.scrollHeight ?? null;
    thread.readOlder().then(
      () => announce('Earlier messages are shown'),
      () => {
        heightBefore.current = null;
      },
    );
  };

  const onScroll = (): void => {
    const box = scroller.current;
    if (!box) return;
    const { scrollTop, scrollHeight, clientHeight } = box;
    const { top, height, first } = scrolled.current;
    scrolled.current = { top: scrollTop, height: scrollHeight, first: firstSeq };
    // content that came or went since the view was moved may have put the end out of sight: only a person moves back from it
    if (scrollHeight - scrollTop - clientHeight < FOLLOW_PX) follows.current = true;
    else if (scrollTop < top && scrollHeight >= height && first === firstSeq) follows.current = false;
    thread.isAtEnd = follows.current;
    if (follows.current) setUnseen(false);
    if (box.scrollTop < 200 && state.hasOlder && !state.isReadingOlder && !follows.current && !isReplay)
      readOlder();
  };

  const toEnd = (): void => {
    follows.current = true;
    thread.isAtEnd = true;
    setUnseen(false);
    if (scroller.current) scroller.current.scrollTop = scroller.current.scrollHeight;
  };

  // a request from before the events that were read
  const early = state.requests.filter(
    ({ requestId }) => !blocks.some((block) => block.kind === 'ask' && block.request.requestId === requestId),
  );

  return (
    <div className={styles.view}>
      {isReplay && state.isLoaded && (
        <ReplayBar
          until={until ?? 0}
          first={state.archived?.firstSeq ?? 1}
          last={state.events.at(-1)?.seq ?? 1}
        />
      )}
      <ScrollRegion ref={scroller} className={styles.scroller} onScroll={onScroll} aria-label="Conversation">
        <div ref={content} className={styles.content} data-loaded={state.isLoaded}>
          {!state.isLoaded && state.ended === null && <Reading />}
          {state.isLoaded && (
            <>
              {state.hasOlder && !isReplay ? (
                <div className={styles.older}>
                  <Button disabled={state.isReadingOlder} onClick={readOlder}>
                    {state.isReadingOlder ? 'Reading…' : 'Earlier'}
                  </Button>
                </div>
              ) : null}
              {state.archived && (isReplay ? (until ?? 0) < state.archived.firstSeq : !state.hasOlder) && (
                <div className={styles.older}>
                  <Archived history={state.archived} />
                </div>
              )}
              {state.gaps.map(({ afterSeq, beforeSeq }) => (
                <p key={`${afterSeq}`} className={styles.gap}>
                  Events between {afterSeq} and {beforeSeq ?? 'the end'} are damaged and cannot be read
                </p>
              ))}
              {blocks.every(({ kind }) => kind === 'note') && (
                <WhileNothingIsWritten thread={thread}>
                  <Empty title={`Say something to ${workerId}`}>
                    <p>
                      An input starts a run. What the Worker writes, and the tools that it uses, appear here
                      live.
                    </p>
                  </Empty>
                </WhileNothingIsWritten>
              )}
              <BlockList blocks={blocks} runtimeId={runtimeId} workerId={workerId} />
              {!isReplay && (
                <>
                  <WritingList thread={thread} />
                  {early.map((request) => (
                    <div key={request.requestId} className={blockStyles.block} data-kind="ask">
                      <RequestCard
                        runtimeId={runtimeId}
                        workerId={workerId}
                        request={request}
                        answer={null}
                      />
                    </div>
                  ))}
                  <Sending blocks={blocks} />
                  {worker?.status === 'running' && (
                    <WhileNothingIsWritten thread={thread}>
                      <p className={styles.pulse} aria-hidden>
                        <i />
                        <i />
                        <i />
                      </p>
                    </WhileNothingIsWritten>
                  )}
                </>
              )}
            </>
          )}
          {state.ended === 'WORKER_NOT_FOUND' && <p className={styles.gap}>This Worker was deleted.</p>}
        </div>
      </ScrollRegion>
      {unseen && !isReplay && (
        <button type="button" className={styles.toEnd} onClick={toEnd}>
          <ArrowDown size={14} aria-hidden />
          New below
        </button>
      )}
      {!isReplay && <Composer onSent={toEnd} />}
    </div>
  );
};
