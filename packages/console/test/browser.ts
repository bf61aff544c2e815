import { existsSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from 'playwright-core';

const KNOWN = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
/** The browser: the one in CHROMIUM, or else the first one found at the usual paths. */
const { CHROMIUM } = process.env;
const executablePath = (CHROMIUM === undefined ? KNOWN : [CHROMIUM]).find((path) => existsSync(path));

/** A long time limit, for busy machines. */
const TIMEOUT_MS = 60_000;

let browser: Promise<Browser> | null = null;

/** Returns the browser of this process. Each page has a profile of its own. */
export const sharedBrowser = (): Promise<Browser> => {
  browser ??= chromium.launch({
    executablePath: executablePath ?? '',
    timeout: TIMEOUT_MS,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
    ],
  });
  return browser;
};

test.after.always(async () => {
  await (await browser)?.close();
});

/** What a page did that no page may do. */
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
  if (executablePath === undefined) test.skip(`${title} (skipped: no Chromium is installed)`, () => {});
  else test(title, run);
};
