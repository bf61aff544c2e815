import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fsStore } from '@worker-runtime/plugin-fs-store';
import test, { type ExecutionContext } from 'ava';
import { type Browser, chromium } from 'playwright-core';
import { startBackend } from './backend.ts';
import { job, prepare, type Served, serve, stored } from './served.ts';

const executablePath = [
  process.env.CHROMIUM,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((path) => path !== undefined && existsSync(path));

const inBrowser = async (t: ExecutionContext, path: string): Promise<void> => {
  const dir = await mkdtemp(join(tmpdir(), 'ws-browser-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const portOf = ({ web }: Served): number => Number(new URL(web.url).port);
  const first = await serve(t, { plugins: [fsStore({ dir })] });
  const backend = await startBackend(t, portOf(first));
  const browser: Browser = await chromium.launch({ executablePath: path, args: ['--no-sandbox'] });
  t.teardown(() => browser.close());
  const page = await browser.newPage();
  await page.goto(backend.url);

  // live: text shows while it is written
  await job(first, 'count 300');
  await first.runtime.sendInput('ada', { text: 'led' });
  await first.speaker.say({ type: 'text', text: 'written as ' });
  await first.speaker.say({ type: 'text', text: 'you watch 🙂' });
  await page.waitForFunction('document.getElementById("live").textContent === "written as you watch 🙂"');

  // the runtime restarts, elsewhere, and has said more by the time the page is back
  await first.runtime.stop({ deadlineMs: 2_000 });
  const second = prepare(t, { plugins: [fsStore({ dir })] });
  await second.runtime.start();
  await job(second, 'count 50');
  backend.lead(portOf(second));
  await job(second, 'say the end');
  await second.runtime.stopWorker('ada');
  await page.waitForFunction('seen.at(-1)?.type === "worker.stopped"');

  const seen = await page.evaluate<string[]>('seen.map((event) => JSON.stringify(event))');
  t.deepEqual(seen, await stored(second));
  t.true((await page.evaluate<number>('sockets')) > 1);
  t.is(await page.evaluate<string>('document.title'), 'ada');
};

if (executablePath === undefined) {
  test.skip('P5: a page in Chromium sees a Worker live, also across a restart (skipped: no Chromium is installed)', () => {});
} else {
  test('P5: a page in Chromium sees a Worker live, also across a restart', (t) =>
    inBrowser(t, executablePath));
}
