import { assertHarmless, browserTest, openPage } from '@worker-runtime/test-environment/browser';
import { WorkerPage } from './pages/worker-page.ts';
import { Served } from './served.ts';
import { until } from './until.ts';

/** Texts that try to run a script, to leave the page, or to load something from elsewhere. */
const HOSTILE = [
  '<script>alert(1)</script><img src=x onerror="globalThis.hacked = true">',
  '<svg onload="globalThis.hacked = true"><style>* { display: none }</style>',
  '[click](javascript:globalThis.hacked=true) [data](data:text/html,<script>hacked=1</script>) [v](vbscript:x)',
  '![pixel](https://evil.example/pixel.png) <https://evil.example> <iframe src="https://evil.example"></iframe>',
  '| a | <b onclick=hacked=1>b</b> |\n| - | - |\n| <img src=//evil.example/x> | `</code><script>` |',
  '```html\n<script src="https://evil.example/x.js"></script>\n```',
  '&lt;script&gt;hacked=1&lt;/script&gt; &#x202e;gnp.exe \u0000\u001b[31m',
  `${'> '.repeat(200)}deep\n\n${'*'.repeat(5_000)}\n\n${'['.repeat(2_000)}`,
  '<base href="https://evil.example/"><form action="https://evil.example"><input type=submit></form>',
  '<link rel=stylesheet href=https://evil.example/x.css><meta http-equiv=refresh content="0;url=https://evil.example">',
  '{{constructor.constructor("hacked=1")()}} <%= hacked=1 %> javascript:hacked=1',
];

browserTest(
  'P40: hostile text of models, tools and people runs no code and leaves the origin never',
  async (t) => {
    const served = await Served.start(t);
    served.engine.script = () =>
      HOSTILE.flatMap((text, at) => [
        { type: 'reasoning' as const, text },
        { type: 'text' as const, text },
        { type: 'message' as const },
        {
          type: 'tool-call' as const,
          call: `c${at}`,
          name: text.slice(0, 60).replaceAll(/\s/g, ' '),
          title: text,
          input: { text },
        },
        at % 2 === 0
          ? { type: 'tool-result' as const, call: `c${at}`, output: { html: text } }
          : { type: 'tool-result' as const, call: `c${at}`, error: text },
      ]).concat([
        {
          type: 'ask' as const,
          question: {
            kind: 'question' as const,
            prompt: HOSTILE[0] as string,
            options: HOSTILE.slice(0, 3).map((label, at) => ({ id: `o${at}`, label: label.slice(0, 80) })),
          },
        },
      ] as never);
    const { runtime, url } = served;
    await runtime.createWorker({
      engine: 'scripted',
      workerId: 'mallory',
      displayName: '<img src=x onerror=hacked=1>',
      labels: { team: '"><script>hacked=1</script>' },
    });
    await runtime.sendInput('mallory', { text: HOSTILE.join('\n\n') }, { waitMs: 20_000 });
    const { runtimeId } = await runtime.summary();

    const opened = await openPage(t, url);
    const { page } = opened;
    const worker = new WorkerPage(page);
    for (const [view, content] of [
      ['', '[data-loaded="true"]'],
      ['/events', '[data-event]'],
      ['/timeline', '[data-outcome]'],
    ] as const) {
      await worker.open(url, runtimeId, 'mallory', view);
      await page.locator(content).first().waitFor();
      await page.evaluate(`for (const fold of document.querySelectorAll('details')) fold.open = true`);
      if (view === '/events')
        for (const line of (await page.locator('[data-event] > button').all()).slice(0, 20))
          await line.click();
    }
    for (const path of ['workers', 'inbox', 'usage', 'runtimes']) {
      await page.goto(`${url}/#/${path}`);
      await page.getByRole('heading', { level: 1, name: path }).waitFor();
    }
    await page.goto(`${url}/#/workers?q=${encodeURIComponent('<img src=x onerror=hacked=1>')}`);
    await page.locator('[data-worker]').first().waitFor();

    t.is(await page.evaluate('typeof globalThis.hacked'), 'undefined');
    t.is(
      await page.locator('main iframe, main script, main img, main base, main meta, main link').count(),
      0,
    );
    const addresses = await page.evaluate<string[]>(`[...document.links].map(({ protocol }) => protocol)`);
    t.true(addresses.every((protocol) => /^(https?|mailto):$/.test(protocol)));
    await assertHarmless(t, opened);
  },
);

browserTest('P84: what a person answers shows in the order of its letters', async (t) => {
  const served = await Served.start(t);
  const OVERRIDES = [
    '\u202a',
    '\u202b',
    '\u202c',
    '\u202d',
    '\u202e',
    '\u2066',
    '\u2067',
    '\u2068',
    '\u2069',
  ].join('');
  const odd = `cat ${OVERRIDES}gpj.txt`;
  served.engine.script = () => [
    { type: 'text', text: `A message may ${OVERRIDES} have them` },
    { type: 'message' },
    { type: 'tool-call', call: 'c1', name: odd, title: odd, input: { command: odd } },
    {
      type: 'ask',
      question: { kind: 'permission', call: 'c1', prompt: odd, options: [{ id: 'yes', label: odd }, 'no'] },
    },
  ];
  const { runtime, url } = served;
  await runtime.createWorker({ engine: 'scripted', workerId: 'mallory', displayName: odd });
  await runtime.sendInput('mallory', { text: 'שלום' }, { waitMs: 20_000 });
  const { runtimeId } = await runtime.summary();

  const { page } = await openPage(t, url);
  const shown = String.raw`cat \u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069gpj.txt`;
  const card = page.locator('[data-request]');
  const assertShown = async (view: string): Promise<void> => {
    t.is(await card.getByRole('heading').textContent(), shown, view);
    t.is(await card.locator('[data-decision="yes"]').textContent(), shown, view);
    const values = await page.locator('figure').allTextContents();
    t.true(
      values.some((value) => value.includes(shown)),
      view,
    );
    t.notRegex(values.join(), /[\u202a-\u202e\u2066-\u2069]/, view);
  };
  await new WorkerPage(page).open(url, runtimeId, 'mallory');
  await card.waitFor();
  t.is(await page.getByRole('heading', { level: 1 }).textContent(), shown);
  await page.evaluate(`for (const fold of document.querySelectorAll('details')) fold.open = true`);
  await assertShown('the Worker');
  // any other text keeps its characters, and they end with its element
  const message = page.getByText('A message may');
  t.true((await message.textContent())?.includes(OVERRIDES));
  const styles = await page.evaluate<string[]>(
    `[...document.querySelectorAll('main *')].map((element) => getComputedStyle(element).unicodeBidi)`,
  );
  t.true(
    styles.every((style) => style === 'plaintext' || style === 'isolate'),
    styles.join(),
  );

  await page.goto(`${url}/#/inbox`);
  await card.waitFor();
  await page.locator('figure').waitFor();
  await assertShown('the inbox');
  await page.goto(`${url}/#/workers`);
  t.regex((await page.locator('[data-worker]').first().textContent()) ?? '', /cat \\u202a/);
});

browserTest('P40: the policy of the page stops a script that is planted in it', async (t) => {
  const served = await Served.start(t);
  const { page } = await openPage(t, served.url);
  await page.locator('[data-connection]').waitFor({ state: 'attached' });
  const outcome = await page.evaluate<string>(`(() => {
    try {
      document.body.insertAdjacentHTML('beforeend', '<img src=x onerror="globalThis.hacked = true">');
      return 'taken';
    } catch (error) {
      return error.constructor.name;
    }
  })()`);
  t.is(outcome, 'TypeError');
  await page.evaluate(`(() => {
    const image = document.createElement('img');
    image.src = 'https://evil.example/pixel.png';
    document.body.append(image);
  })()`);
  await until(page, `globalThis.violations.some((one) => one.startsWith('img-src'))`);
  t.pass();
});
