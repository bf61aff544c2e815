import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import {
  closeBrowser,
  hasBrowser,
  sharedBrowser,
  TIMEOUT_MS,
} from '@worker-runtime/test-environment/chromium';
import test, { type ExecutionContext } from 'ava';
import { build } from 'esbuild';
import { startBackend } from './backend.ts';
import { storedLines } from './rebuilt.ts';
import { Served } from './served.ts';

test.after.always(closeBrowser);

/** The script of the page. It observes a Worker through its own origin, across restarts, and records the events. */
const script = `
  const runtime = client.runtimeClient({ url: location.origin, retryMs: 20, retryMaxMs: 100 });
  const seen = [];
  const texts = new Map();
  const show = () => { document.getElementById('live').textContent = [...texts.values()].join(''); };
  (async () => {
    document.title = (await runtime.getWorker('ada')).workerId;
    for await (const item of runtime.observe('ada', { after: 'start', acrossRestarts: true })) {
      if (item.type === 'event') {
        seen.push(item.event);
        if (item.event.type === 'message.completed') texts.clear();
      } else if (item.type === 'in-flight') {
        texts.clear();
        for (const { parts } of item.messages) for (const { id, text } of parts) texts.set(id, text);
        show();
      } else if (item.type === 'delta') {
        texts.set(item.part, (texts.get(item.part) ?? '').slice(0, item.offset) + item.text);
        show();
      }
    }
  })();`;

const pageOf = async (): Promise<string> => {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('../src/index.ts', import.meta.url))],
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'client',
    logLevel: 'silent',
    conditions: ['@worker-runtime/source'],
  });
  return `<!doctype html><meta charset="utf-8"><p id="live"></p><script>${outputFiles[0]?.text}${script}</script>`;
};

const inBrowser = async (t: ExecutionContext): Promise<void> => {
  const token = 'a-token-of-more-than-32-characters-that-no-page-ever-sees';
  const sha256 = createHash('sha256').update(token).digest('hex');
  const served = await Served.start({
    http: { tokens: [{ name: 'backend', sha256, permission: 'operate' }] },
  });
  t.teardown(() => served.dispose());
  served.engine.script = {
    led: [
      { type: 'text', text: 'written as ' },
      { type: 'text', text: 'you watch 🙂' },
      { type: 'gate', gate: 'seen' },
      { type: 'message' },
    ],
    many: Array.from({ length: 300 }, (_, at) => ({
      type: 'message' as const,
      parts: [{ type: 'text' as const, text: `message ${at} 🙂` }],
    })),
  };
  const send = (text: string) => served.runtime.sendInput('ada', { text }, { waitMs: 20_000 });
  await served.runtime.createWorker({ engine: 'scripted', workerId: 'ada' });
  await send('many');

  const backend = await startBackend(t, await pageOf(), served.address, token);
  const page = await (await sharedBrowser()).newPage();
  t.teardown(() => page.close());
  page.setDefaultTimeout(TIMEOUT_MS);
  await page.goto(backend.url);
  // live: text shows while it is written
  const led = send('led');
  await page.waitForFunction('document.getElementById("live").textContent === "written as you watch 🙂"');
  served.engine.gate('seen').open();
  await led;

  // the runtime restarts, and has more events when the page reconnects
  await served.stop();
  await served.begin();
  await send('many');
  served.proxy.reset();
  await send('many');
  await served.runtime.stopWorker('ada');
  await page.waitForFunction('seen.at(-1)?.type === "worker.stopped"');

  const seen = await page.evaluate<string[]>('seen.map((event) => JSON.stringify(event))');
  t.deepEqual(seen, await storedLines(served.url, 'ada', token));
  t.is(await page.evaluate<string>('document.title'), 'ada');
  t.true(backend.sockets() > 0, 'at least some events came over a socket');
  t.false([...backend.requests, await page.content()].some((text) => text.includes(token)));
};

if (!hasBrowser) {
  test.skip('P5: a page in Chromium observes a Worker live, across restarts and lost connections (skipped: no Chromium is installed)', () => {});
} else {
  test('P5: a page in Chromium observes a Worker live, across restarts and lost connections', inBrowser);
}
