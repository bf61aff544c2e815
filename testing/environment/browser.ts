import test, { type ExecutionContext } from 'ava';
import type { BrowserContext, Page } from 'playwright-core';
import { closeBrowser, hasBrowser, sharedBrowser, TIMEOUT_MS } from './chromium.ts';

test.after.always(closeBrowser);

/** The acts of a page that no page may do. */
export interface Misdeeds {
  /** Violations of the policy, and errors that no code caught. */
  readonly errors: string[];
  /** Requests to another origin. */
  readonly foreign: string[];
}

export interface OpenedPage {
  readonly page: Page;
  readonly context: BrowserContext;
  readonly misdeeds: Misdeeds;
}

export interface Look {
  readonly colorScheme?: 'light' | 'dark';
  readonly viewport?: { readonly width: number; readonly height: number };
}

const NOTES_VIOLATIONS = `
  globalThis.violations = [];
  addEventListener('securitypolicyviolation', (event) => violations.push(event.violatedDirective + ' ' + event.blockedURI));
`;

/** Pages that no test uses now. A browser takes a second of the processor for each new one. */
const idlePages: Page[] = [];

const newPage = async (): Promise<Page> => {
  const context = await (await sharedBrowser()).newContext({ reducedMotion: 'reduce' });
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT_MS);
  await page.addInitScript(NOTES_VIOLATIONS);
  return page;
};

/** Makes a page as it was before a test. Each test serves another origin, so nothing that one stores reaches another. */
const release = async (page: Page): Promise<void> => {
  page.removeAllListeners();
  await page.context().setOffline(false);
  await page.goto('about:blank');
  idlePages.push(page);
};

/** Opens a page in a profile of its own. At the end of the test, it must not have violated its policy. */
export const openPage = async (t: ExecutionContext, url: string, look: Look = {}): Promise<OpenedPage> => {
  const { colorScheme = 'light', viewport = { width: 1_200, height: 800 } } = look;
  const page = idlePages.pop() ?? (await newPage());
  t.teardown(() => release(page));
  await page.emulateMedia({ colorScheme });
  await page.setViewportSize(viewport);
  const { origin } = new URL(url);
  const misdeeds: Misdeeds = { errors: [], foreign: [] };
  page.on('request', (request) => {
    if (/^https?:/.test(request.url()) && !request.url().startsWith(origin))
      misdeeds.foreign.push(request.url());
  });
  page.on('pageerror', (error) => misdeeds.errors.push(String(error)));
  page.on('console', (message) => {
    if (/Content Security Policy|Trusted ?Type|TrustedHTML/i.test(message.text()))
      misdeeds.errors.push(message.text());
  });
  await page.goto(url);
  return { page, context: page.context(), misdeeds };
};

/** Asserts that a page did nothing that its policy forbids. */
export const assertHarmless = async (t: ExecutionContext, { page, misdeeds }: OpenedPage): Promise<void> => {
  t.deepEqual(await page.evaluate<string[]>('globalThis.violations'), []);
  t.deepEqual(misdeeds, { errors: [], foreign: [] });
};

/** The tests that use the browser at once: more of them delay each other beyond the times that pages promise. */
const AT_ONCE = 2;
let running = 0;
const waiting: (() => void)[] = [];

const inTurn = async (run: () => Promise<void>): Promise<void> => {
  if (running === AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
  else running += 1;
  try {
    await run();
  } finally {
    const next = waiting.shift();
    if (next) next();
    else running -= 1;
  }
};

/** Declares a test in Chromium. Without one, it is skipped with the reason in its title. */
export const browserTest = (title: string, run: (t: ExecutionContext) => Promise<void>): void => {
  if (!hasBrowser) test.skip(`${title} (skipped: no Chromium is installed)`, () => {});
  else test(title, (t) => inTurn(() => run(t)));
};
