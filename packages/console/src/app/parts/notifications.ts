import type { InboxItem } from '../live/open-requests.ts';
import { openRequests } from '../live/server.ts';
import { inOrder } from './in-order.ts';

const PROMPT_CHARS = 200;

const show = ({ worker, request }: InboxItem, count: number): void => {
  const name = inOrder(worker.displayName ?? worker.workerId);
  const title = count === 1 ? `${name} waits for you` : `${name} and others wait for you`;
  const body = inOrder(request.prompt.slice(0, PROMPT_CHARS));
  const notification = new Notification(title, { body, tag: request.requestId });
  notification.addEventListener('click', () => {
    globalThis.focus();
    location.hash = '#/inbox';
    notification.close();
  });
};

/** Notifies the person of requests that open while the page is hidden, from now on, if the browser may show notifications. */
export const notifyOfRequests = (): void => {
  let known: ReadonlySet<string> = new Set();
  openRequests.subscribe(() => {
    const open = openRequests.get().filter(({ resolution }) => resolution === null);
    const added = open.findLast(({ request }) => !known.has(request.requestId));
    known = new Set(open.map(({ request }) => request.requestId));
    if (!added || !document.hidden || globalThis.Notification?.permission !== 'granted') return;
    try {
      show(added, open.length);
    } catch {
      // some browsers for phones have the permission, and show notifications of service workers only
    }
  });
};
