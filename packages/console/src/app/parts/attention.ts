import { openRequests } from '../live/server.ts';
import { announce } from './announce.ts';

let pageTitle: string | null = null;

/** Returns an icon with a mark, as the address of an image. */
const markedIcon = (): string => {
  const svg =
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="9" fill="#4f56d3"/>' +
    '<circle cx="10.5" cy="16" r="3.2" fill="#fff"/><path d="M16 16h7.5" stroke="#fff" stroke-width="3.2" stroke-linecap="round"/>' +
    '<circle cx="24" cy="8" r="8" fill="#f0a020"/></svg>';
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
};

let plainIcon: string | null = null;

const update = (): void => {
  const count = openRequests.get().open.length;
  document.title = `${count > 0 ? `(${count}) ` : ''}${pageTitle ?? 'Workers'} · worker-runtime`;
  const link = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
  if (link === null) return;
  plainIcon ??= link.href;
  const wanted = count > 0 ? markedIcon() : plainIcon;
  if (link.href !== wanted) link.href = wanted;
};

/** Shows the number of open requests in the title and in the icon of the tab, from now on. */
export const showAttention = (): void => {
  openRequests.subscribe(update);
  update();
};

/** Sets the title of the current page. A page that replaces another one is announced, because the focus may stay where it was. */
export const setPageTitle = (title: string): void => {
  if (pageTitle !== null && title !== pageTitle) announce(title);
  pageTitle = title;
  update();
};
