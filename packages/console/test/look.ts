import { assertHarmless, browserTest, openPage } from '@worker-runtime/test-environment/browser';
import { exclusions } from '@worker-runtime/test-environment/exclusions';
import { servePopulated } from './scene.ts';

/** The pages by name, each with its address and an element that is there when it has loaded. */
const pagesOf = (runtimeId: string) => {
  const worker = `/#/runtimes/${runtimeId}/workers/upgrade`;
  return [
    ['/#/workers', '[data-worker]'],
    [worker, '[data-loaded="true"]'],
    [`${worker}/timeline`, 'nav [data-outcome]'],
    [`${worker}/events?at=3`, '[data-event]'],
    [`${worker}?until=12`, '[data-loaded="true"]'],
    ['/#/inbox', '[data-request]'],
    ['/#/workers/new', 'form'],
    ['/#/runtimes', '[data-runtime]'],
    ['/#/usage', 'table'],
    ['/#/nothing', 'h1:text("no such page")'],
  ] as const;
};

/** Returns the controls and results of a page that another element covers. */
const COVERED = `[...document.querySelectorAll('main :is(button, a, input, select, textarea, summary, output)')]
  .filter((one) => one.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true }))
  .filter((one) => {
    one.scrollIntoView({ block: 'center' });
    const { left, top, width, height } = one.getBoundingClientRect();
    const met = document.elementFromPoint(left + width / 2, top + height / 2);
    return !met?.contains(one) && !one.contains(met);
  })
  .map((one) => one.outerHTML.slice(0, 200))`;

/** Declares a test that no page excludes anyone, with this color and width in pixels. */
export const testLook = ({
  colorScheme,
  width,
}: {
  readonly colorScheme: 'light' | 'dark';
  readonly width: number;
}): void =>
  browserTest(`P39: no page excludes anyone, ${colorScheme}, ${width} pixels wide`, async (t) => {
    const { url, runtimeId } = await servePopulated(t);
    const opened = await openPage(t, url, { colorScheme, viewport: { width, height: 720 } });
    const { page } = opened;
    for (const [path, sign] of pagesOf(runtimeId)) {
      await page.goto(url + path);
      await page.locator(sign).first().waitFor();
      await page.locator('[data-connection="live"]').waitFor({ state: 'attached' });
      t.deepEqual(await exclusions(page), [], path);
      t.deepEqual(await page.evaluate<string[]>(COVERED), [], path);
      t.true(
        await page.evaluate<boolean>('document.documentElement.scrollWidth <= innerWidth'),
        `${path} needs no sideways scrolling`,
      );
    }
    await assertHarmless(t, opened);
  });
