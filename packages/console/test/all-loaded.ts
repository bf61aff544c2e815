import type { Page } from 'playwright-core';
import { until } from './until.ts';

/** Waits until the files of the pages that are opened later have arrived. They come some seconds after those of the first page. */
export const untilAllLoaded = async (page: Page): Promise<void> => {
  await until(
    page,
    `['usage-page', 'palette', 'keys-dialog', 'conversation-view'].every((name) =>
      performance.getEntriesByType('resource').some((one) => one.name.includes(name) && one.responseEnd > 0))`,
  );
  await page.waitForLoadState('networkidle');
};
