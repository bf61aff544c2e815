import { Link, useNavigate } from '@tanstack/react-router';
import type { TranscriptItem } from '@worker-runtime/core';
import type { ToolCallPart } from '@worker-runtime/core/views';
import { useEffect, useRef, useState } from 'react';
import { RequestCard } from '../conversation/request-card.tsx';
import { ValueView } from '../conversation/value-view.tsx';
import type { InboxItem, Requests } from '../live/open-requests.ts';
import { backend, openRequests } from '../live/server.ts';
import { useSource } from '../live/source.ts';
import { AbsentRuntimes } from '../parts/absent-runtimes.tsx';
import { announce } from '../parts/announce.ts';
import { Button } from '../parts/button.tsx';
import { Empty } from '../parts/empty.tsx';
import { Inbox } from '../parts/icons.ts';
import { inOrder } from '../parts/in-order.ts';
import { Page } from '../parts/page.tsx';
import { Reading } from '../parts/reading.tsx';
import { useSettling } from '../parts/settling.ts';
import { Moment } from '../parts/time.tsx';
import { useKeys } from '../parts/use-keys.ts';
import styles from './inbox-page.module.css';
import { nameOf } from './worker-list.ts';

const ITEMS_BEFORE = 12;
const GIST_CHARS = 400;

interface Context {
  readonly call: ToolCallPart | null;
  /** The last text before the request. */
  readonly said: string | null;
}

const callIn = (items: readonly TranscriptItem[], { run, call }: { run: string; call: string | null }) => {
  for (const item of items.toReversed())
    for (const part of item.parts)
      if (part.type === 'tool-call' && part.call === call && item.run === run) return part;
  return null;
};

const textIn = (items: readonly TranscriptItem[]): string | null => {
  for (const { role, parts } of items.toReversed())
    if (role === 'assistant')
      for (const part of parts.toReversed()) if (part.type === 'text' && part.text !== '') return part.text;
  return null;
};

/** Reads the end of the conversation in which a request was opened. It stays when the request is answered. */
const useContextOf = ({ worker, request, resolution }: InboxItem): Context | null => {
  const [context, setContext] = useState<Context | null>(null);
  const { runtimeId, workerId } = worker;
  const { runId, call } = request;
  const isOpen = resolution === null;
  useEffect(() => {
    if (!isOpen) return undefined;
    let isCurrent = true;
    const read = backend.find(runtimeId)?.api.transcript(workerId, { before: 'end', limit: ITEMS_BEFORE });
    void read?.then(
      ({ items }) => {
        if (isCurrent) setContext({ call: callIn(items, { run: runId, call }), said: textIn(items) });
      },
      () => {
        // the card works without its context
      },
    );
    return () => {
      isCurrent = false;
    };
  }, [runtimeId, workerId, runId, call, isOpen]);
  return context;
};

const InboxCard = ({ item }: { readonly item: InboxItem }) => {
  const { worker, request, resolution } = item;
  const context = useContextOf(item);
  const article = useRef<HTMLElement>(null);
  // an answer makes a card smaller, and what is below it must not move under the pointer
  const height = useRef<number | undefined>(undefined);
  if (resolution === null) height.current = undefined;
  else height.current ??= article.current?.getBoundingClientRect().height;
  const prompt = inOrder(request.prompt);
  return (
    <article
      ref={article}
      className={styles.item}
      style={{ minHeight: height.current }}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: j and k move the focus from card to card
      tabIndex={0}
      data-inbox={request.requestId}
      aria-label={prompt}
    >
      <header className={styles.who}>
        <Link
          to="/runtimes/$r/workers/$w"
          params={{ r: worker.runtimeId, w: worker.workerId }}
          preload={false}
        >
          {nameOf(worker)}
        </Link>
        <span>
          asks since <Moment of={request.openedAt} />
        </span>
      </header>
      {context !== null && context.said !== null && (
        <p className={styles.said}>
          {inOrder(context.said.length > GIST_CHARS ? `…${context.said.slice(-GIST_CHARS)}` : context.said)}
        </p>
      )}
      <RequestCard
        runtimeId={worker.runtimeId}
        workerId={worker.workerId}
        request={request}
        answer={resolution && { ...resolution, note: null }}
      >
        {context?.call && (
          <ValueView title={context.call.title ?? context.call.name} value={context.call.input} />
        )}
      </RequestCard>
    </article>
  );
};

const NotifyButton = () => {
  const [permission, setPermission] = useState(globalThis.Notification?.permission ?? 'denied');
  if (permission !== 'default') return null;
  const ask = async (): Promise<void> => {
    const next = await Notification.requestPermission();
    setPermission(next);
    announce(next === 'granted' ? 'You will be notified' : 'You will not be notified');
  };
  return <Button onClick={() => void ask()}>Notify me of new requests</Button>;
};

/** Returns the requests that were open while the page is shown, each at the place where it came in, and those that were answered before. */
const useInPlace = ({ open, answered }: Requests) => {
  const places = useRef(new Map<string, number>());
  const last = useRef(0);
  const placeOf = ({ request }: InboxItem): number => places.current.get(request.requestId) ?? -1;
  const known = new Map([...answered, ...open].map((item) => [item.request.requestId, placeOf(item)]));
  for (const { request } of open) {
    if (known.get(request.requestId) !== -1) continue;
    last.current += 1;
    known.set(request.requestId, last.current);
  }
  places.current = known;
  const shown = [...open, ...answered.filter((item) => placeOf(item) !== -1)];
  return {
    shown: shown.toSorted((one, other) => placeOf(one) - placeOf(other)),
    earlier: answered.filter((item) => placeOf(item) === -1),
  };
};

/** All requests of all runtimes, the oldest first. What is answered stays at its place until the person leaves the page, with who answered it. */
export const InboxPage = () => {
  const requests = useSource(openRequests);
  const { open, isComplete } = requests;
  const { shown, earlier } = useInPlace(requests);
  const navigate = useNavigate();
  const list = useRef<HTMLDivElement>(null);
  useSettling(list);

  const cards = (): HTMLElement[] => [...(list.current?.querySelectorAll<HTMLElement>('[data-inbox]') ?? [])];
  const focused = (): HTMLElement | null =>
    document.activeElement?.closest<HTMLElement>('[data-inbox]') ?? null;
  const moveTo = (card: HTMLElement | undefined): void => {
    card?.focus();
    card?.scrollIntoView({ block: 'nearest' });
  };
  const move = (by: number): void => {
    const all = cards();
    const at = all.indexOf(focused() as HTMLElement);
    moveTo(all[Math.max(0, Math.min(all.length - 1, at + by))]);
  };
  /** The first open request after a card, or else before it. */
  const nextOpen = (card: HTMLElement | null): HTMLElement | undefined => {
    const all = cards();
    const at = card === null ? 0 : all.indexOf(card);
    return [...all.slice(at), ...all.slice(0, at)].find((one) => one.querySelector('[data-open="true"]'));
  };
  /** Answers the request that has the focus. Without one, the next gets it: a key that is pressed twice answers no request unseen. */
  const press = (
    { repeat }: KeyboardEvent,
    pick: (buttons: readonly HTMLButtonElement[], item: InboxItem) => HTMLButtonElement | undefined,
  ): void => {
    if (repeat) return;
    const card = focused();
    if (!card) {
      moveTo(nextOpen(null));
      return;
    }
    const item = open.find(({ request }) => request.requestId === card.dataset.inbox);
    const answers = [...card.querySelectorAll<HTMLButtonElement>('[data-decision]')];
    if (item && answers.length > 0) pick(answers, item)?.click();
    else moveTo(nextOpen(card));
  };
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    a: (event) => press(event, ([first]) => first),
    d: (event) =>
      press(event, (buttons, { request }) => {
        const refusal =
          request.options.find(({ kind }) => kind === 'reject-once') ??
          request.options.find(({ id, kind }) => kind === 'reject-always' || /^(deny|reject|no)$/i.test(id));
        return buttons.find((button) => button.dataset.decision === refusal?.id);
      }),
    Enter: () => {
      const item = open.find(
        ({ request }) => request.requestId === (focused() ?? nextOpen(null))?.dataset.inbox,
      );
      if (item)
        void navigate({
          to: '/runtimes/$r/workers/$w',
          params: { r: item.worker.runtimeId, w: item.worker.workerId },
        });
    },
  });

  return (
    <Page title="Inbox">
      <AbsentRuntimes />
      <div ref={list} className={styles.list}>
        {shown.map((item) => (
          <InboxCard key={item.request.requestId} item={item} />
        ))}
        {open.length === 0 && !isComplete && <Reading />}
        {open.length === 0 && isComplete && (
          <Empty title="Nobody waits for you" icon={<Inbox size={24} aria-hidden />}>
            <p>
              When a run needs a permission or has a question, it waits here, with the tool call that it is
              about. The title of this tab shows how many wait.
            </p>
            <NotifyButton />
          </Empty>
        )}
        {earlier.length > 0 && <h2 className={styles.earlier}>Answered</h2>}
        {earlier.map((item) => (
          <InboxCard key={item.request.requestId} item={item} />
        ))}
      </div>
    </Page>
  );
};
