import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const KNOWN = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
/** The browser: the one in CHROMIUM, or else the first one found at the usual paths. */
const { CHROMIUM } = process.env;
const executablePath = (CHROMIUM === undefined ? KNOWN : [CHROMIUM]).find((path) => existsSync(path));

export const hasBrowser = executablePath !== undefined;

/** A long time limit, for busy machines. */
export const TIMEOUT_MS = 60_000;

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

/** Ends the browser, if it was started. */
export const closeBrowser = async (): Promise<void> => {
  await (await browser)?.close();
};
