/** The places of what a person is about to press, while other people and Workers act. */
import { inputText } from '@worker-runtime/core';
import { browserTest, openPage } from '@worker-runtime/test-environment/browser';
import type { ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import { permission } from './asking.ts';
import { EventsPage } from './pages/events-page.ts';
import { InboxPage } from './pages/inbox-page.ts';
import { WorkerPage } from './pages/worker-page.ts';
import { WorkersPage } from './pages/workers-page.ts';
import { Served } from './served.ts';
import { until } from './until.ts';

const OPEN = `document.querySelectorAll('[data-request][data-open="true"]').length`;

/** Serves Workers that ask `May <id>?`, after they have said something of so many lines. */
const serveAsking = async (t: ExecutionContext, workerIds: readonly string[]) => {
  const served = await Served.start(t);
  served.engine.script = (run) => [
    { type: 'text', text: `I looked at\n\n${inputText(run.input)}` },
    { type: 'message' },
    { type: 'tool-call', call: 'c', name: 'write', input: { lines: inputText(run.input).split('\n') } },
    permission('May I?', { call: 'c' }),
  ];
  const ask = async (workerId: string, lines: number): Promise<void> => {
    await served.runtime.createWorker({ engine: 'scripted', workerId });
    await served.runtime.sendInput(workerId, { text: 'a line\n\n'.repeat(lines) });
  };
  for (const [at, workerId] of workerIds.entries()) await ask(workerId, at + 1);
  const answer = async (workerId: string): Promise<void> => {
    const [request] = (await served.runtime.listRequests(workerId)).items;
    await served.runtime.respond(workerId, request?.requestId ?? '', { decision: 'deny' });
  };
  const waiting = async (): Promise<readonly string[]> =>
    (await served.runtime.listOpenRequests()).items.map(({ workerId }) => workerId).toSorted();
  return { served, ask, answer, waiting };
};

const placeOf = (page: Page, selector: string): Promise<number> =>
  page.evaluate<number>(`document.querySelector(${JSON.stringify(selector)}).getBoundingClientRect().top`);

browserTest('P102: the requests of the inbox stay at their places while others answer and ask', async (t) => {
  const { served, ask, answer, waiting } = await serveAsking(t, ['ada', 'ben', 'cid']);
  const { page } = await openPage(t, served.url, { viewport: { width: 1_200, height: 2_000 } });
  await new InboxPage(page).open(served.url);
  await until(page, `document.querySelectorAll('[data-inbox] figure').length === 3`);
  const card = page.locator('[data-inbox]', { hasText: 'cid' });
  const box = await card.getByRole('button', { name: 'Allow' }).boundingBox();
  if (!box) throw new TypeError('The button is not shown');
  await answer('ada');
  await until(page, `${OPEN} === 2`);
  await ask('dan', 2);
  await until(page, `${OPEN} === 3`);
  await answer('ben');
  await until(page, `${OPEN} === 2`);
  t.is(await page.locator('main').getByText('Deny, by a person or program elsewhere').count(), 2);
  t.deepEqual(await card.getByRole('button', { name: 'Allow' }).boundingBox(), box);
  await page.mouse.click(box.x + 5, box.y + 5);
  await until(page, `${OPEN} === 1`);
  t.deepEqual(await waiting(), ['dan']);
});

browserTest('P102: a press does not meet a request that came to its place a moment ago', async (t) => {
  const { served, ask } = await serveAsking(t, ['ada']);
  const { page } = await openPage(t, served.url);
  const ben = async (): Promise<void> => {
    await served.runtime.sendInput('ada', { text: 'a line', whenBusy: 'queue' });
    await page.getByRole('button', { name: 'Allow' }).click();
  };
  /** The answers that a press would meet, each time that a request moves. */
  const note = `
    globalThis.met = [];
    new MutationObserver((changes) => {
      for (const { target } of changes) {
        if (!target.hasAttribute('data-settling')) continue;
        const { left, top } = target.querySelector('[data-decision]').getBoundingClientRect();
        met.push(document.elementFromPoint(left + 5, top + 5)?.closest('[data-decision]')?.dataset.decision ?? 'none');
      }
    }).observe(document.body, { subtree: true, attributeFilter: ['data-settling'] });`;
  const under = `(() => {
    const { left, top } = document.querySelector('[data-open="true"] [data-decision]').getBoundingClientRect();
    return document.elementFromPoint(left + 5, top + 5)?.dataset?.decision === 'allow';
  })()`;
  for (const [open, next] of [
    [() => new InboxPage(page).open(served.url), () => ask('ben', 1)],
    [() => new WorkerPage(page).open(served.url, served.runtime.runtimeId, 'ada'), ben],
  ] as const) {
    await open();
    await until(page, `${OPEN} === 1`);
    await until(page, under);
    await page.evaluate(note);
    await next();
    await until(page, 'met.length > 0');
    await until(page, under);
    t.deepEqual(await page.evaluate<string[]>('[...new Set(met)]'), ['none']);
  }
});

browserTest('P102: a conversation does not move a request that a person points at', async (t) => {
  const served = await Served.start(t);
  served.engine.script = (run) => [
    permission('May I?', { options: [{ id: 'allow', label: 'Allow' }] }),
    ...(inputText(run.input) === 'go' ? [] : [{ type: 'text' as const, text: 'x' }]),
  ];
  const { runtime, url } = served;
  await runtime.createWorker({ engine: 'scripted', workerId: 'ada' });
  await runtime.sendInput('ada', { text: 'go' });
  const { page } = await openPage(t, url, { viewport: { width: 1_200, height: 500 } });
  await new WorkerPage(page).open(url, runtime.runtimeId, 'ada');
  await page.getByRole('button', { name: 'Allow' }).hover();
  const before = await placeOf(page, '[data-decision]');
  // each input is a block below the request
  for (let at = 0; at < 12; at += 1)
    await runtime.sendInput('ada', { text: `more ${at}`, whenBusy: 'queue' });
  await until(page, `document.querySelectorAll('[data-kind="input"]').length === 13`);
  t.is(await placeOf(page, '[data-decision]'), before);
  await page.mouse.move(5, 5);
  await runtime.sendInput('ada', { text: 'the last', whenBusy: 'queue' });
  await until(
    page,
    `(() => {
    const box = document.querySelector('[aria-label="Conversation"]');
    return document.querySelectorAll('[data-kind="input"]').length === 14 &&
      box.scrollHeight - box.scrollTop - box.clientHeight < 5;
  })()`,
  );
  t.pass();
});

browserTest('P102: the list of Workers keeps its order while the pointer moves over it', async (t) => {
  const { served, ask } = await serveAsking(t, []);
  for (const workerId of ['ada', 'ben', 'cid'])
    await served.runtime.createWorker({ engine: 'scripted', workerId });
  const { page } = await openPage(t, served.url);
  const workers = new WorkersPage(page);
  await workers.open(served.url);
  const box = await workers.line('ben').boundingBox();
  if (!box) throw new TypeError('The line is not shown');
  const under = `document.elementFromPoint(${box.x + 400}, ${box.y + 20}).closest('[data-worker]')?.dataset.worker ?? ''`;
  const aimed = await page.evaluate<string>(under);
  t.regex(aimed, /ben/);
  await page.mouse.move(box.x + 400, box.y + 20);
  await ask('dan', 1);
  for (let at = 0; !(await page.title()).startsWith('(1)'); at += 1) {
    await page.mouse.move(box.x + 400 + (at % 2), box.y + 20);
    t.is(await page.evaluate<string>(under), aimed);
  }
  t.is(await page.evaluate<string>(under), aimed);
  await page.mouse.move(5, 5);
  await until(page, `document.querySelector('[data-worker]').dataset.worker.includes('dan')`);
});

browserTest('P102: an event that a person reads stays at its place while newer ones come in', async (t) => {
  const served = await Served.start(t);
  served.engine.script = () =>
    Array.from({ length: 25 }, (_, at) => [
      { type: 'text' as const, text: `piece ${at}` },
      { type: 'message' as const },
    ]).flat();
  const { runtime, url } = served;
  await runtime.createWorker({ engine: 'scripted', workerId: 'ada' });
  await runtime.sendInput('ada', { text: 'go' }, { waitMs: 10_000 });
  const { page } = await openPage(t, url);
  const events = new EventsPage(page);
  await events.open(url, runtime.runtimeId, 'ada');
  const list = `document.querySelector('[aria-label="Events"]')`;
  await page.evaluate(`${list}.scrollTop = 300`);
  await events.event(10).waitFor();
  const before = await placeOf(page, '[data-event="10"]');
  const height = await page.evaluate<number>(`${list}.scrollHeight`);
  await runtime.sendInput('ada', { text: 'go' }, { waitMs: 10_000 });
  await until(page, `${list}.scrollHeight >= ${height} + 25 * 30`);
  t.is(await placeOf(page, '[data-event="10"]'), before);
});
