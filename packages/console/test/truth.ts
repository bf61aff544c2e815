import { inputText } from '@worker-runtime/core';
import { browserTest, openPage } from '@worker-runtime/test-environment/browser';
import type { ExecutionContext } from 'ava';
import { untilAllLoaded } from './all-loaded.ts';
import { expected, WorkerPage } from './pages/worker-page.ts';
import { Served } from './served.ts';
import { until } from './until.ts';

/** A run with everything that a transcript can have. */
const work = (name: string) => [
  { type: 'text' as const, text: `${name} looks` },
  { type: 'message' as const },
  { type: 'tool-call' as const, call: 'c', name: 'read', input: { path: name, lines: [1, 2] } },
  { type: 'tool-result' as const, call: 'c', output: { found: true } },
  { type: 'tool-call' as const, call: 'd', name: 'write', input: 'text' },
  { type: 'tool-result' as const, call: 'd', error: `cannot write ${name}` },
  { type: 'text' as const, text: `${name} is done 🙂` },
  { type: 'message' as const },
];

const serveAda = async (t: ExecutionContext, hasSockets = true) => {
  const served = await Served.start(t, { hasSockets });
  served.engine.script = (run) => {
    const text = inputText(run.input);
    if (text === 'fail') return [{ type: 'throw', error: new Error('no') }];
    if (text === 'wait')
      return [
        { type: 'text', text: 'written as you watch' },
        { type: 'gate', gate: 'seen' },
        ...work('wait'),
      ];
    return work(text);
  };
  await served.runtime.createWorker({ engine: 'scripted', workerId: 'ada' });
  const { runtimeId } = await served.runtime.summary();
  const say = (text: string) => served.runtime.sendInput('ada', { text }, { waitMs: 10_000 });
  return { served, runtimeId, say };
};

/** Asserts that what the page shows is the transcript, from the first shown item on. */
const assertShowsLog = async (t: ExecutionContext, served: Served, page: WorkerPage): Promise<void> => {
  const items: Parameters<typeof expected>[0][number][] = [];
  for (let after: string | null = 'start'; after !== null; ) {
    const read: Awaited<ReturnType<typeof served.runtime.transcript>> = await served.runtime.transcript(
      'ada',
      {
        after,
      },
    );
    items.push(...read.items);
    after = read.next;
  }
  // the text of the last message shows before its event does
  const last = items.at(-1)?.seq;
  await page.page.locator(`[data-seq="${last}"], [data-result-seq="${last}"]`).first().waitFor();
  const shown = await page.shown();
  t.deepEqual(
    shown,
    expected(items).filter(({ seq }) => seq >= (shown[0]?.seq ?? 0)),
  );
  t.true(shown.length > 4);
};

browserTest(
  'P38: a page shows the log, live, and after a restart, cut connections and time offline',
  async (t) => {
    const { served, runtimeId, say } = await serveAda(t);
    await say('one');
    await say('fail');
    const opened = await openPage(t, served.url);
    const page = new WorkerPage(opened.page);
    await page.open(served.url, runtimeId, 'ada');
    await page.isLoaded();
    await assertShowsLog(t, served, page);

    // text shows while it is written, and the message replaces it
    const waiting = say('wait');
    await page.shows('written as you watch');
    served.engine.gate('seen').open();
    await waiting;
    await page.shows('wait is done 🙂');
    await assertShowsLog(t, served, page);

    served.cut();
    await say('after the cut');
    await page.shows('after the cut is done 🙂');
    await assertShowsLog(t, served, page);

    await served.stop();
    await page.page.locator('[data-connection="lost"]').waitFor({ timeout: 5_000 });
    await served.begin();
    await say('after the restart');
    await page.shows('after the restart is done 🙂');
    await page.page.locator('[data-connection="live"]').waitFor();
    await assertShowsLog(t, served, page);

    await opened.context.setOffline(true);
    await page.page.locator('[data-connection="lost"]').waitFor({ timeout: 5_000 });
    await say('meanwhile');
    await opened.context.setOffline(false);
    await page.shows('meanwhile is done 🙂');
    await assertShowsLog(t, served, page);
  },
);

browserTest(
  'P38: the end of a long message shows while it is written, and its beginning when it is complete',
  async (t) => {
    const { served, runtimeId } = await serveAda(t);
    const beginning = 'It begins here.';
    served.engine.script = () => [
      { type: 'text', text: `${beginning}\n\n${'A sentence of many. '.repeat(50)}\n\n` },
      ...Array.from({ length: 100 }, () => ({
        type: 'text' as const,
        text: `${'A sentence of many. '.repeat(50)}\n\n`,
      })),
      { type: 'text', text: 'This is written now.' },
      { type: 'gate', gate: 'seen' },
      { type: 'text', text: ' And this is the end.' },
      { type: 'message' },
    ];
    const opened = await openPage(t, served.url);
    const page = new WorkerPage(opened.page);
    await page.open(served.url, runtimeId, 'ada');
    await page.isLoaded();
    await served.runtime.sendInput('ada', { text: 'write' });
    const writing = opened.page.locator('[data-writing]');
    await writing.getByText('This is written now.').waitFor();
    t.is(await writing.getByText(beginning).count(), 0);
    served.engine.gate('seen').open();
    await opened.page.locator('[data-kind="message"][data-seq]').getByText(beginning).waitFor();
    t.is(await writing.count(), 0);
  },
);

for (const hasSockets of [true, false])
  browserTest(
    `P38: a connection that delivers nothing is reported within five seconds, with${hasSockets ? '' : 'out'} sockets`,
    async (t) => {
      const { served, runtimeId, say } = await serveAda(t, hasSockets);
      const { page: tab } = await openPage(t, served.url);
      const page = new WorkerPage(tab);
      await page.open(served.url, runtimeId, 'ada');
      await page.isLoaded();
      await tab.locator('[data-connection="live"]').waitFor();
      served.freeze();
      await tab.locator('[data-connection="lost"]').waitFor({ timeout: 6_000 });
      await say('meanwhile');
      served.thaw();
      await page.shows('meanwhile is done 🙂');
      await tab.locator('[data-connection="live"]').waitFor();
      await assertShowsLog(t, served, page);
    },
  );

browserTest('P38: a page that slept continues where it was', async (t) => {
  const { served, runtimeId, say } = await serveAda(t);
  const { page: tab, context } = await openPage(t, served.url);
  const page = new WorkerPage(tab);
  await page.open(served.url, runtimeId, 'ada');
  await say('before');
  await page.shows('before is done 🙂');
  const devtools = await context.newCDPSession(tab);
  await devtools.send('Page.setWebLifecycleState', { state: 'frozen' });
  served.cut();
  for (let at = 0; at < 20; at += 1) await say(`asleep ${at}`);
  await devtools.send('Page.setWebLifecycleState', { state: 'active' });
  await page.shows('asleep 19 is done 🙂');
  await assertShowsLog(t, served, page);
});

/** The views of a Worker, each with an element that is there when it has loaded. */
const VIEWS = [
  ['', '[data-loaded="true"]'],
  ['/events', '[data-event]'],
  ['/timeline', '[data-outcome="completed"]'],
] as const;

browserTest('P38: an idle page sends no requests', async (t) => {
  const { served, runtimeId, say } = await serveAda(t);
  await say('one');
  const requests = await Promise.all(
    VIEWS.map(async ([view, sign]) => {
      const { page: tab } = await openPage(t, served.url);
      const page = new WorkerPage(tab);
      await page.open(served.url, runtimeId, 'ada', view);
      await tab.locator(sign).first().waitFor();
      await tab.locator('[data-connection="live"]').waitFor();
      await untilAllLoaded(tab);
      const sent: string[] = [];
      tab.on('request', (request) => sent.push(request.url()));
      // an event of the page after six seconds, in which a poll would show
      await tab.evaluate('new Promise((resolve) => setTimeout(resolve, 6_000))');
      return [view, sent];
    }),
  );
  t.deepEqual(
    requests,
    VIEWS.map(([view]) => [view, []]),
  );
});

browserTest('P38: a conversation that grows faster than it scrolls stays at its end', async (t) => {
  const { served, runtimeId, say } = await serveAda(t);
  for (let at = 0; at < 10; at += 1) await say(`input ${at}`);
  const { page: tab } = await openPage(t, served.url);
  const page = new WorkerPage(tab);
  await page.open(served.url, runtimeId, 'ada');
  await page.isLoaded();
  const box = `document.querySelector('[aria-label="Conversation"]')`;
  const isAtEnd = `${box}.scrollTop > 0 && ${box}.scrollHeight - ${box}.scrollTop - ${box}.clientHeight < 5`;
  await until(tab, isAtEnd);
  // what comes between a move to the end and the event of that move
  await tab.evaluate(`
    const more = document.createElement('div');
    more.style.height = '400px';
    ${box}.firstElementChild.append(more);
    ${box}.scrollTop += 100;
  `);
  await until(tab, isAtEnd);
  await tab.evaluate(`${box}.scrollTop -= 200`);
  await say('below');
  await tab.getByRole('button', { name: 'New below' }).waitFor();
  t.false(await tab.evaluate<boolean>(isAtEnd));
});

browserTest('P38: earlier pages are read on demand, and the place is kept', async (t) => {
  const { served, runtimeId, say } = await serveAda(t);
  for (let at = 0; at < 40; at += 1) await say(`input ${at}`);
  const { page: tab } = await openPage(t, served.url);
  const page = new WorkerPage(tab);
  await page.open(served.url, runtimeId, 'ada');
  await page.isLoaded();
  await page.shows('input 39 is done 🙂');
  await assertShowsLog(t, served, page);
  const first = (await page.shown())[0]?.seq ?? 0;
  t.true(first > 100, 'the whole log is not read');

  // at the top, the page reads what was before; until it is laid out, it holds itself at the end
  await until(
    tab,
    `Number(document.querySelector('[data-kind][data-seq]').dataset.seq) < ${first} ||
      document.querySelector('[aria-label="Conversation"]').scrollTo(0, 0)`,
  );
  await assertShowsLog(t, served, page);
  // what was first stays in view
  await until(
    tab,
    `(({ top }) => top >= 0 && top < innerHeight)(document.querySelector('[data-seq="${first}"]').getBoundingClientRect())`,
  );
  for (;;) {
    // its name changes while it reads
    const earlier = tab.getByRole('button', { name: /^(Earlier|Reading…)$/ });
    if ((await earlier.count()) === 0) break;
    await earlier.click({ timeout: 2_000 }).catch(() => {});
  }
  await assertShowsLog(t, served, page);
  t.is((await page.shown())[0]?.text, 'input 0');
});
