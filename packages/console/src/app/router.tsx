import {
  createHashHistory,
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
} from '@tanstack/react-router';
import { NotFound } from './pages/not-found.tsx';
import { loadKeysDialog, loadPalette, Shell } from './pages/shell.tsx';
import { WorkerPage } from './pages/worker-page.tsx';
import { WorkersPage } from './pages/workers-page.tsx';
import { Reading } from './parts/reading.tsx';
import { parseSearch, stringifySearch, textOr, texts, type WorkersSearch } from './search.ts';

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound });

const home = createRoute({
  getParentRoute: () => root,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/workers' });
  },
});

const workersRoute = createRoute({
  getParentRoute: () => root,
  path: '/workers',
  validateSearch: (search: Record<string, unknown>): WorkersSearch => ({
    ...textOr('q', search.q),
    ...texts('status', search.status),
    ...texts('engine', search.engine),
    ...texts('label', search.label),
    ...texts('runtime', search.runtime),
    ...textOr('sort', search.sort),
  }),
  component: WorkersPage,
});

const newWorkerRoute = createRoute({
  getParentRoute: () => root,
  path: '/workers/new',
  validateSearch: (
    search: Record<string, unknown>,
  ): { readonly like?: string; readonly runtime?: string } => ({
    ...textOr('like', search.like),
    ...textOr('runtime', search.runtime),
  }),
  component: lazyRouteComponent(() => import('./pages/new-worker-page.tsx'), 'NewWorkerPage'),
});

const workerRoute = createRoute({
  getParentRoute: () => root,
  path: '/runtimes/$r/workers/$w',
  component: WorkerPage,
});

const conversationRoute = createRoute({
  getParentRoute: () => workerRoute,
  path: '/',
  validateSearch: (search: Record<string, unknown>): { readonly until?: string } =>
    textOr('until', search.until),
  component: lazyRouteComponent(() => import('./pages/conversation-view.tsx'), 'ConversationView'),
});

const timelineRoute = createRoute({
  getParentRoute: () => workerRoute,
  path: '/timeline',
  component: lazyRouteComponent(() => import('./pages/timeline-view.tsx'), 'TimelineView'),
});

const eventsRoute = createRoute({
  getParentRoute: () => workerRoute,
  path: '/events',
  validateSearch: (
    search: Record<string, unknown>,
  ): { readonly types?: readonly string[]; readonly q?: string; readonly at?: string } => ({
    ...texts('types', search.types),
    ...textOr('q', search.q),
    ...textOr('at', search.at),
  }),
  component: lazyRouteComponent(() => import('./pages/events-view.tsx'), 'EventsView'),
});

const inboxRoute = createRoute({
  getParentRoute: () => root,
  path: '/inbox',
  component: lazyRouteComponent(() => import('./pages/inbox-page.tsx'), 'InboxPage'),
});

const runtimesRoute = createRoute({
  getParentRoute: () => root,
  path: '/runtimes',
  component: lazyRouteComponent(() => import('./pages/runtimes-page.tsx'), 'RuntimesPage'),
});

const usageRoute = createRoute({
  getParentRoute: () => root,
  path: '/usage',
  validateSearch: (
    search: Record<string, unknown>,
  ): { readonly days?: string | undefined; readonly label?: string | undefined } => ({
    ...textOr('days', search.days),
    ...textOr('label', search.label),
  }),
  component: lazyRouteComponent(() => import('./pages/usage-page.tsx'), 'UsagePage'),
});

const accountRoute = createRoute({
  getParentRoute: () => root,
  path: '/account',
  component: lazyRouteComponent(() => import('./pages/account-page.tsx'), 'AccountPage'),
});

const LATER = [
  conversationRoute,
  inboxRoute,
  eventsRoute,
  timelineRoute,
  newWorkerRoute,
  runtimesRoute,
  usageRoute,
  accountRoute,
];

/**
 * Loads the pages that are opened later. A page that is open for long would else not find them without a connection, or after the server
 * has the files of another version.
 */
export const loadPages = async (): Promise<void> => {
  await Promise.allSettled([
    ...LATER.map(({ options }) => options.component?.preload?.()),
    loadPalette(),
    loadKeysDialog(),
  ]);
};

export const router = createRouter({
  routeTree: root.addChildren([
    home,
    workersRoute,
    newWorkerRoute,
    workerRoute.addChildren([conversationRoute, timelineRoute, eventsRoute]),
    inboxRoute,
    runtimesRoute,
    usageRoute,
    accountRoute,
  ]),
  // any server and any prefix can deliver the pages: docs/decisions/0040
  history: createHashHistory(),
  parseSearch,
  stringifySearch,
  defaultPreload: 'intent',
  defaultPendingComponent: Reading,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
