/** Writes the pictures of the main pages to `docs/pictures`: light and dark. */
import { fileURLToPath } from 'node:url';
import { sharedBrowser } from '@worker-runtime/test-environment/chromium';
import { populate, startScene } from './scene.ts';

const folder = new URL('../../../docs/pictures/', import.meta.url);
const scene = await startScene();
await populate(scene);
const { runtimeId } = await scene.runtime.summary();
const browser = await sharedBrowser();
for (const colorScheme of ['light', 'dark'] as const) {
  const context = await browser.newContext({
    colorScheme,
    viewport: { width: 1_200, height: 760 },
    reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  for (const [name, address, sign] of [
    ['workers', 'workers', '[data-worker]'],
    ['usage', 'usage', '[data-usage="Worker"]'],
    ['worker', `runtimes/${runtimeId}/workers/upgrade`, '[data-loaded="true"] [data-request]'],
  ] as const) {
    await page.goto(`${scene.url}/#/${address}`);
    await page.locator(sign).first().waitFor();
    await page.locator('[data-connection="live"]').waitFor();
    await page.evaluate('document.fonts.ready.then(() => document.activeElement?.blur())');
    await page.screenshot({
      path: fileURLToPath(new URL(`console-${name}-${colorScheme}.png`, folder)),
    });
  }
  await context.close();
}
await browser.close();
await scene.runtime.stop({ deadlineMs: 2_000 });
