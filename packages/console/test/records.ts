/** The log of a Worker as a person meets it: as events, as files, as bars, and as it was. */
import { assertHarmless, browserTest, openPage } from '@worker-runtime/test-environment/browser';
import { EventsPage } from './pages/events-page.ts';
import { TimelinePage } from './pages/timeline-page.ts';
import { expected, WorkerPage } from './pages/worker-page.ts';
import { populate, startScene } from './scene.ts';
import { Served } from './served.ts';
import { until } from './until.ts';

const serve = async (t: Parameters<typeof openPage>[0]) => {
  const { runtime, ...scene } = await startScene();
  t.teardown(() => runtime.stop({ deadlineMs: 2_000 }));
  await populate({ runtime, ...scene });
  const { items: events } = await runtime.events('upgrade', { limit: 1_000 });
  const { items } = await runtime.transcript('upgrade', { limit: 1_000 });
  return { ...scene, runtime, runtimeId: runtime.runtimeId, events, items };
};

browserTest('the Events page shows the log, filters it in its address, and opens at an event', async (t) => {
  const { url, runtimeId, events } = await serve(t);
  const opened = await openPage(t, url);
  const page = new EventsPage(opened.page);
  await page.open(url, runtimeId, 'upgrade', '?at=4');
  await page.marked.waitFor();
  t.is(await page.marked.getAttribute('data-event'), '4');
  await page.open(url, runtimeId, 'upgrade');
  const newest = events.at(-1)?.seq ?? 0;
  t.is((await page.seqs())[0], newest);

  const seqsOf = (fits: (event: (typeof events)[number]) => boolean) =>
    events
      .filter(fits)
      .map(({ seq }) => seq)
      .toReversed();
  const calls = seqsOf(({ type }) => type === 'tool.called');
  await page.tick('tool.called');
  await until(opened.page, `document.querySelectorAll('[data-event]').length === ${calls.length}`);
  t.deepEqual(await page.seqs(), calls);
  t.regex(opened.page.url(), /types=/);
  // the address alone restores the view
  const { page: other } = await openPage(t, opened.page.url());
  await other.locator('[data-event]').first().waitFor();
  t.deepEqual(await new EventsPage(other).seqs(), calls);

  await page.search.fill('orders-production');
  const found = seqsOf(
    (event) => event.type === 'tool.called' && JSON.stringify(event).includes('orders-production'),
  );
  await until(opened.page, `document.querySelectorAll('[data-event]').length === ${found.length}`);
  t.deepEqual(await page.seqs(), found);
  await page
    .event(found[0] ?? 0)
    .getByRole('button')
    .first()
    .click();
  const detail = await page
    .event(found[0] ?? 0)
    .locator('pre')
    .textContent();
  t.deepEqual(
    JSON.parse(detail ?? ''),
    JSON.parse(JSON.stringify(events.find(({ seq }) => seq === found[0]))),
  );
  await assertHarmless(t, opened);
});

browserTest(
  'the events, those of some types, and the conversation are exported whole as files',
  async (t) => {
    const { url, runtimeId, events, items } = await serve(t);
    const opened = await openPage(t, url);
    const page = new EventsPage(opened.page);
    await page.open(url, runtimeId, 'upgrade');
    const linesOf = (chosen: typeof events) => chosen.map((event) => `${JSON.stringify(event)}\n`).join('');
    t.deepEqual(await page.exported('All events, as NDJSON'), {
      name: 'upgrade.ndjson',
      text: linesOf(events),
    });
    await page.tick('message.completed');
    t.deepEqual(await page.exported('All events of the chosen types, as NDJSON'), {
      name: 'upgrade.ndjson',
      text: linesOf(events.filter(({ type }) => type === 'message.completed')),
    });
    const { name, text } = await page.exported('The conversation, as Markdown');
    t.is(name, 'upgrade.md');
    t.is(text.match(/^## /gm)?.length, items.length);
    for (const { parts } of items)
      for (const part of parts) if (part.type === 'text') t.true(text.includes(part.text));
    await assertHarmless(t, opened);
  },
);

browserTest(
  'P5: a conversation as it was after an event is the transcript up to it, also by keyboard',
  async (t) => {
    const { url, runtimeId, runtime } = await serve(t);
    const { items } = await runtime.transcript('mirror', { limit: 1_000 });
    const last = (await runtime.getWorker('mirror')).lastSeq;
    const opened = await openPage(t, url);
    const page = new WorkerPage(opened.page);
    const upTo = (seq: number) => expected(items.filter((item) => item.seq <= seq));
    for (const seq of [1, Math.floor(last / 3), Math.floor((last * 2) / 3), last]) {
      await page.open(url, runtimeId, 'mirror', `?until=${seq}`);
      await page.isLoaded();
      await until(opened.page, `document.querySelector('output')?.textContent === '${seq}'`);
      t.deepEqual(await page.shown(), upTo(seq), `as of ${seq}`);
    }
    const scrubber = opened.page.getByRole('slider', { name: 'As of event' });
    await scrubber.focus();
    for (let seq = last - 1; seq > last - 6; seq -= 1) {
      await opened.page.keyboard.press('ArrowLeft');
      await until(opened.page, `document.querySelector('output')?.textContent === '${seq}'`);
      t.deepEqual(await page.shown(), upTo(seq), `as of ${seq}, by keyboard`);
    }
    t.is(await page.input.count(), 0, 'nothing can be sent to the past');
    await opened.page.getByRole('button', { name: 'Fork from here' }).click();
    await page.input.waitFor();
    const { items: forks } = await runtime.listWorkers({ limit: 1_000 });
    const details = await Promise.all(forks.map(({ workerId }) => runtime.getWorker(workerId)));
    const fork = details.find(({ forkedFrom }) => forkedFrom !== null);
    t.like(fork?.forkedFrom, { workerId: 'mirror', seq: last - 5 });
    t.true(opened.page.url().includes(fork?.workerId ?? 'none'), 'the page of the fork is open');
    await opened.page.goBack();
    await opened.page.getByRole('link', { name: 'Go to now' }).click();
    await page.input.waitFor();
    await assertHarmless(t, opened);
  },
);

browserTest('P85: the console says where earlier history is, and shows the rest', async (t) => {
  const { url, runtime, engine } = await Served.start(t);
  const { runtimeId } = runtime;
  engine.capabilities = { ...engine.capabilities, readsHistory: false };
  await runtime.createWorker({ engine: 'scripted', workerId: 'ada' });
  for (let number = 1; number <= 30; number += 1)
    await runtime.sendInput('ada', { text: `input ${number}` }, { waitMs: 10_000 });
  const all = (await runtime.events('ada', { limit: 1_000 })).items;
  const throughSeq = Math.floor(all.length / 2);
  const [old] = (await runtime.archives.listHistory({ workerId: 'ada', beforeSeq: throughSeq + 1 })).items;
  await runtime.archives.removeHistory('ada', {
    log: old?.log ?? '',
    throughSeq,
    archive: 'ada.old.archive',
  });
  const rest = all.filter(({ seq }) => seq > throughSeq);
  const opened = await openPage(t, url);
  const note = opened.page.getByText(
    `The events before ${throughSeq + 1} are in the archive ada.old.archive.`,
  );
  const page = new WorkerPage(opened.page);
  await page.open(url, runtimeId, 'ada');
  await page.isLoaded();
  await page.shows('input 30');
  await note.waitFor();
  await runtime.sendInput('ada', { text: 'a later one' }, { waitMs: 10_000 });
  await page.shows('a later one');
  await page.open(url, runtimeId, 'ada', '?until=3');
  await note.waitFor();
  const events = new EventsPage(opened.page);
  await events.open(url, runtimeId, 'ada');
  await note.waitFor();
  const { text } = await events.exported('All events, as NDJSON');
  t.true(text.startsWith(rest.map((event) => `${JSON.stringify(event)}\n`).join('')));
  await page.open(url, runtimeId, 'ada', '/events?at=3');
  await note.waitFor();
  await assertHarmless(t, opened);
});

browserTest(
  'the Timeline has a bar for each step, tool call and wait, which leads to its event',
  async (t) => {
    const { url, runtimeId, events } = await serve(t);
    const opened = await openPage(t, url);
    const page = new TimelinePage(opened.page);
    await page.open(url, runtimeId, 'upgrade');
    // the runs appear before the calls in them
    await page.bar('Run the tests against the copy').waitFor();
    t.deepEqual(await page.bars('Is the upgrade to version 5 safe?'), [
      'call Read CHANGELOG.md',
      'call Search for legacyHeaders',
      'call Run the tests against the copy',
    ]);
    const kinds = (await page.bars('Then migrate production.')).map((bar) => bar.split(' ')[0]);
    t.deepEqual(new Set(kinds), new Set(['call', 'wait']));
    t.is(await page.zoom(), 1);
    await opened.page.keyboard.press('+');
    await until(
      opened.page,
      `document.querySelector('[aria-label="Runs"]').firstElementChild.offsetWidth > document.querySelector('[aria-label="Runs"]').clientWidth`,
    );
    t.true((await page.zoom()) > 1.4, 'the padding does not grow');
    await opened.page.keyboard.press('0');
    await until(
      opened.page,
      `document.querySelector('[aria-label="Runs"]').firstElementChild.offsetWidth <= document.querySelector('[aria-label="Runs"]').clientWidth`,
    );
    await page.bar('Search for legacyHeaders').click();
    const called = events.find(({ type, data }) => type === 'tool.called' && data.call === 'grep-1');
    await new EventsPage(opened.page).marked.waitFor();
    t.is(await new EventsPage(opened.page).marked.getAttribute('data-event'), String(called?.seq));
    await assertHarmless(t, opened);
  },
);
