import { inputText } from '@worker-runtime/core';
import { assertHarmless, browserTest, openPage } from '@worker-runtime/test-environment/browser';
import { permission } from './asking.ts';
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

const OVERRIDES = '\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069';

browserTest('P84: what a person answers shows in the order of its letters', async (t) => {
  const served = await Served.start(t);
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

browserTest('P84: a form of a request shows all of its letters, in their order', async (t) => {
  const served = await Served.start(t);
  // overrides, a letter of a tag, a selector of a variant, marks, and a control character
  const odd = (name: string): string => `${name} ${OVERRIDES}\u{e0041}\u{e0141}\u200f\u2060\u001b!`;
  const shown = (name: string): string =>
    `${name} ${String.raw`\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u{e0041}\u{e0141}\u200f\u2060\u001b!`}`;
  served.engine.script = () => [
    permission('How?', {
      schema: {
        type: 'object',
        properties: {
          [odd('key')]: { type: 'string', description: odd('description'), default: odd('default') },
          choice: { title: odd('title'), enum: [odd('one'), { two: odd('two') }], default: odd('other') },
        },
      },
    }),
  ];
  await served.runtime.createWorker({ engine: 'scripted', workerId: 'mallory' });
  await served.runtime.sendInput('mallory', { text: 'go' });
  const opened = await openPage(t, served.url);
  const { page } = opened;
  await new WorkerPage(page).open(served.url, served.runtime.runtimeId, 'mallory');
  const form = page.locator('[data-request] form');
  await form.waitFor();
  t.deepEqual(await form.locator('label > span').allTextContents(), [
    shown('key') + shown('description'),
    shown('title'),
  ]);
  t.is(await form.locator('input').getAttribute('placeholder'), shown('default'));
  t.deepEqual(await form.locator('option').allTextContents(), [
    `default: ${shown('other')}`,
    shown('one'),
    JSON.stringify({ two: odd('two') })
      .replaceAll(
        /[\u202a-\u202e\u2066-\u2069\u200f\u2060]/g,
        (one) => `\\u${one.charCodeAt(0).toString(16)}`,
      )
      .replaceAll(/[\u{e0000}-\u{e0fff}]/gu, (one) => `\\u{${one.codePointAt(0)?.toString(16)}}`),
  ]);
  // the value is what the option stands for, and not how it is shown
  await form.locator('select').selectOption({ index: 1 });
  await page.getByRole('button', { name: 'Allow' }).click();
  await page.locator('[data-request][data-open="false"]').waitFor();
  const [resolved] = (await served.runtime.events('mallory', { types: ['request.resolved'] })).items;
  t.like(resolved?.data, { value: { choice: odd('one') } });
  await assertHarmless(t, opened);
});

/** Returns the texts with characters that change the order of letters and that have something beside them in their element. */
const REORDERS_OTHERS = `(() => {
  const found = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const { currentNode: { data, parentElement } } = texts;
    if (/[\\u202a-\\u202e\\u2066-\\u2069]/.test(data) && parentElement.textContent !== data) found.push(parentElement.outerHTML);
  }
  return found;
})()`;

browserTest('P84: no text reorders the text beside it, on any page', async (t) => {
  const served = await Served.start(t);
  const odd = (name: string): string => `${name} ${OVERRIDES}\u202egpj`;
  served.engine.script = (run) =>
    inputText(run.input) === 'fail'
      ? [{ type: 'throw', error: new Error(odd('failure')) }]
      : [
          { type: 'text', text: odd('message') },
          { type: 'message' },
          {
            type: 'tool-call',
            call: 'c',
            name: odd('tool'),
            title: odd('title'),
            input: { key: odd('value') },
          },
          { type: 'tool-result', call: 'c', error: odd('error') },
          permission(odd('prompt')),
        ];
  const { runtime, url } = served;
  const actor = odd('actor');
  const labels = { [odd('label')]: odd('labelled') };
  await runtime.createWorker(
    { engine: 'scripted', workerId: 'mallory', displayName: odd('name'), labels },
    { actor },
  );
  await runtime.sendInput('mallory', { text: 'fail' }, { waitMs: 20_000, actor });
  await runtime.sendInput('mallory', { text: odd('input') }, { waitMs: 20_000, actor });
  const [request] = (await runtime.listOpenRequests()).items;
  await runtime.respond(
    'mallory',
    request?.requestId ?? '',
    { decision: 'allow', note: odd('note') },
    { actor },
  );
  await runtime.sendInput('mallory', { text: odd('input'), whenBusy: 'queue' }, { actor });
  const opened = await openPage(t, url);
  const { page } = opened;
  const worker = `runtimes/${runtime.runtimeId}/workers/mallory`;
  for (const [path, sign] of [
    [worker, '[data-request][data-open="true"]'],
    [`${worker}/events`, '[data-event]'],
    [`${worker}/timeline`, '[data-outcome]'],
    ['workers', '[data-worker]'],
    ['inbox', 'figure, [data-request]'],
    ['runtimes', '[data-runtime]'],
    ['usage', 'main h1'],
  ] as const) {
    await page.goto(`${url}/#/${path}`);
    await page.locator(sign).first().waitFor();
    await page.evaluate(`for (const fold of document.querySelectorAll('details')) fold.open = true`);
    t.deepEqual(await page.evaluate<string[]>(REORDERS_OTHERS), [], path);
  }
  await assertHarmless(t, opened);
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
