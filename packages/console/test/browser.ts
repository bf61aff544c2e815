import test, { type ExecutionContext } from 'ava';
import type { BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
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

/** Opens a page in a profile of its own. At the end of the test, it must not have violated its policy. */
export const openPage = async (
  t: ExecutionContext,
  url: string,
  options: BrowserContextOptions = {},
): Promise<OpenedPage> => {
  const context = await (await sharedBrowser()).newContext({
    viewport: { width: 1_200, height: 800 },
    reducedMotion: 'reduce',
    ...options,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT_MS);
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
  await page.addInitScript(`
    globalThis.violations = [];
    addEventListener('securitypolicyviolation', (event) => violations.push(event.violatedDirective + ' ' + event.blockedURI));
  `);
  t.teardown(() => context.close());
  await page.goto(url);
  return { page, context, misdeeds };
};

/** Asserts that a page did nothing that its policy forbids. */
export const assertHarmless = async (t: ExecutionContext, { page, misdeeds }: OpenedPage): Promise<void> => {
  t.deepEqual(await page.evaluate<string[]>('globalThis.violations'), []);
  t.deepEqual(misdeeds, { errors: [], foreign: [] });
};

/** Declares a test in Chromium. Without one, it is skipped with the reason in its title. */
export const browserTest = (title: string, run: (t: ExecutionContext) => Promise<void>): void => {
  if (!hasBrowser) test.skip(`${title} (skipped: no Chromium is installed)`, () => {});
  else test(title, run);
};
