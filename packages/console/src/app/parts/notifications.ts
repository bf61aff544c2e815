import type { InboxItem } from '../live/open-requests.ts';
import { openRequests } from '../live/server.ts';
import { announce } from './announce.ts';
import { inOrder } from './in-order.ts';

const PROMPT_CHARS = 200;

const textOf = ({ worker, request }: InboxItem, count: number) => {
  const name = inOrder(worker.displayName ?? worker.workerId);
  return {
    title: count === 1 ? `${name} waits for you` : `${name} and others wait for you`,
    body: inOrder(request.prompt.slice(0, PROMPT_CHARS)),
  };
};

const show = (title: string, body: string, tag: string): void => {
  const notification = new Notification(title, { body, tag });
  notification.addEventListener('click', () => {
    globalThis.focus();
    location.hash = '#/inbox';
    notification.close();
  });
};

/**
 * Tells the person of requests that open, from now on: those that open while the page is hidden with a notification, if the browser may
 * show one, and the others with an announcement.
 */
export const notifyOfRequests = (): void => {
  let known: ReadonlySet<string> = new Set();
  openRequests.subscribe(() => {
    const { open } = openRequests.get();
    const added = open.findLast(({ request }) => !known.has(request.requestId));
    known = new Set(open.map(({ request }) => request.requestId));
    if (!added) return;
    const { title, body } = textOf(added, open.length);
    if (!document.hidden) announce(`${title}: ${body}`);
    if (!document.hidden || globalThis.Notification?.permission !== 'granted') return;
    try {
      show(title, body, added.request.requestId);
    } catch {
      // some browsers for phones have the permission, and show notifications of service workers only
    }
  });
};
