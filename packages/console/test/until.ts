import type { Page } from 'playwright-core';

/** The time that a page gets, on a busy machine. */
export const PATIENCE_MS = 60_000;

/**
 * Waits until an expression is true in a page. The function of the driver for this evaluates text inside of the page, which
 * the policy of the page forbids.
 */
export const until = async (page: Page, expression: string, patienceMs = PATIENCE_MS): Promise<void> => {
  const end = performance.now() + patienceMs;
  while (!(await page.evaluate<boolean>(expression))) {
    if (performance.now() > end) throw new Error(`This did not become true: ${expression}`);
    await page.evaluate('new Promise((resolve) => setTimeout(resolve, 50))');
  }
};
