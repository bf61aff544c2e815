import { Link, Outlet, useLocation, useNavigate } from '@tanstack/react-router';
import { lazy, Suspense, useEffect, useState } from 'react';
import { loginUrl, workspaceUrl } from '../live/account.ts';
import { account, backend, openRequests } from '../live/server.ts';
import { useSource } from '../live/source.ts';
import { announce } from '../parts/announce.ts';
import { Announcer } from '../parts/announcer.tsx';
import { Connection } from '../parts/connection.tsx';
import {
  Boxes,
  ChartColumn,
  CircleUser,
  Inbox,
  Keyboard,
  Monitor,
  Moon,
  Search,
  Server,
  Sun,
} from '../parts/icons.ts';
import { applyTheme, currentTheme, type Theme } from '../parts/theme.ts';
import { useKeys } from '../parts/use-keys.ts';
import styles from './shell.module.css';

export const loadPalette = () => import('./palette.tsx').then(({ Palette }) => ({ default: Palette }));
export const loadKeysDialog = () =>
  import('./keys-dialog.tsx').then(({ KeysDialog }) => ({ default: KeysDialog }));
const Palette = lazy(loadPalette);
const KeysDialog = lazy(loadKeysDialog);

const THEMES: readonly Theme[] = ['system', 'light', 'dark'];
const THEME_ICONS = { system: Monitor, light: Sun, dark: Moon } as const;

const ThemeButton = () => {
  const [theme, setTheme] = useState(currentTheme);
  const Icon = THEME_ICONS[theme];
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? 'system';
  return (
    <button
      type="button"
      className={styles.tool}
      title={`Theme: ${theme}`}
      aria-label={`Theme: ${theme}. Change to ${next}`}
      onClick={() => {
        applyTheme(next);
        setTheme(next);
        announce(`Theme: ${next}`);
      }}
    >
      <Icon size={16} aria-hidden />
    </button>
  );
};

const NAVIGATION = [
  { to: '/workers', name: 'Workers', Icon: Boxes },
  { to: '/inbox', name: 'Inbox', Icon: Inbox },
  { to: '/runtimes', name: 'Runtimes', Icon: Server },
  { to: '/usage', name: 'Usage', Icon: ChartColumn },
] as const;

const ACCOUNT = { to: '/account', name: 'Account', Icon: CircleUser } as const;

const Navigation = () => {
  const path = useLocation({ select: ({ pathname }) => pathname });
  // the page of a Worker is a part of the Workers, although its address begins with its runtime
  const section = path.includes('/workers') ? '/workers' : path;
  const open = useSource(openRequests).open.length;
  const { session } = useSource(account);
  const pages = session === null ? NAVIGATION : [...NAVIGATION, ACCOUNT];
  return (
    <nav className={styles.navigation} aria-label="Pages">
      {pages.map(({ to, name, Icon }) => (
        <Link
          key={to}
          to={to}
          className={styles.page ?? ''}
          activeOptions={{ exact: true, includeSearch: false }}
          aria-current={to === section ? 'page' : undefined}
        >
          <Icon size={18} aria-hidden />
          <span>{name}</span>
          {name === 'Inbox' && open > 0 && (
            <span className={styles.count}>
              {open}
              <span className="visually-hidden"> open requests</span>
            </span>
          )}
        </Link>
      ))}
    </nav>
  );
};

/** The frame of every page: where one can go, and whether what is shown is current. */
export const Shell = () => {
  const [isSearching, setSearching] = useState(false);
  const [showsKeys, setShowsKeys] = useState(false);
  const navigate = useNavigate();
  const { isLoaded, failure, needsLogin, isMissing } = useSource(backend);
  const { workspaces, grant } = useSource(account);
  // nothing is shown yet that a person could lose
  useEffect(() => {
    if (needsLogin && !isLoaded) location.replace(loginUrl());
  }, [needsLogin, isLoaded]);
  useKeys({
    'mod+k': () => setSearching(true),
    '?': () => setShowsKeys(true),
    'g w': () => void navigate({ to: '/workers' }),
    'g i': () => void navigate({ to: '/inbox' }),
    'g r': () => void navigate({ to: '/runtimes' }),
    'g u': () => void navigate({ to: '/usage' }),
    'g a': () => void navigate({ to: '/account' }),
  });
  // the fragment is the address of the page, so a link to `#main` would leave it
  useEffect(() => {
    // a field of the page may have the focus already
    if (document.activeElement === document.body)
      document.getElementById('main')?.focus({ preventScroll: true });
  }, []);
  return (
    <div className={styles.shell}>
      <header className={styles.side}>
        <Link to="/workers" className={styles.brand ?? ''}>
          <svg viewBox="0 0 32 32" width="26" height="26" aria-hidden>
            <rect width="32" height="32" rx="9" fill="var(--accent-fill)" />
            <circle cx="10.5" cy="16" r="3.2" fill="#fff" />
            <path d="M16 16h7.5" stroke="#fff" strokeWidth="3.2" strokeLinecap="round" />
          </svg>
          <span>{grant && workspaces.length > 1 ? grant.workspace.name : 'worker-runtime'}</span>
        </Link>
        <button type="button" className={styles.search} onClick={() => setSearching(true)}>
          <Search size={15} aria-hidden />
          <span>Go to…</span>
          <kbd>{/Mac|iP/.test(navigator.platform) ? '⌘K' : 'Ctrl K'}</kbd>
        </button>
        <Navigation />
        <div className={styles.foot}>
          <Connection />
          <div className={styles.tools}>
            <ThemeButton />
            <button
              type="button"
              className={styles.tool}
              title="Keys (?)"
              aria-label="Show the keys"
              onClick={() => setShowsKeys(true)}
            >
              <Keyboard size={16} aria-hidden />
            </button>
          </div>
        </div>
      </header>
      <main className={styles.main} id="main" tabIndex={-1}>
        {needsLogin ? (
          <p className={styles.unreachable} role="alert">
            You are not logged in. <a href={loginUrl()}>Log in</a>, and you return to this page. What you have
            written is kept.
          </p>
        ) : isMissing ? (
          <p className={styles.unreachable} role="alert">
            There is no workspace for you at this address.
            {workspaces.length > 0 && ' Yours: '}
            {workspaces.map((workspace) => (
              <a key={workspace.id} className={styles.workspace} href={workspaceUrl(workspace)}>
                {workspace.name}
              </a>
            ))}
          </p>
        ) : !isLoaded && failure !== null ? (
          <p className={styles.unreachable} role="alert">
            The server does not answer ({failure}). This page tries again every second.
          </p>
        ) : null}
        <Outlet />
      </main>
      <Announcer />
      <Suspense fallback={null}>
        {isSearching && <Palette onClose={() => setSearching(false)} />}
        {showsKeys && <KeysDialog onClose={() => setShowsKeys(false)} />}
      </Suspense>
    </div>
  );
};
