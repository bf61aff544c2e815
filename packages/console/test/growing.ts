/** Text while it is written: the pieces in which it arrives do not change what the page shows. */

import { assertHarmless, browserTest, openPage } from '@worker-runtime/test-environment/browser';
import type { ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import { WorkerPage } from './pages/worker-page.ts';
import { Served } from './served.ts';
import { PATIENCE_MS, until } from './until.ts';

/** Each text is a kind of block whose end means something else when more of it arrives. */
const TEXTS = [
  'A word, then *more of it* and **weight*, no, weight** &amp; an &am; 🙂 end `code` end',
  'It ends.\nA line [a link](https://example.org/a) and https://example.org/b.html, not <b>bold</b> \\*escaped\\* x',
  '# A title\nText and a title below it\n---\nmore',
  '```ts\nconst a = 1;\n`` is no end\n```\nafter the code',
  '    indented code\n\n    and more of it\n\nafter it',
  '- one\n- two *and* more\n  - inner one\n  - inner two\n- [ ] open\n- [x] done\n\n- loose now\n\nafter the list',
  '3. three\n4. four',
  '> a quote that\n> has two lines\n> - and a list\n\nafter it',
  '| a | b |\n| - | -: |\n| 1 | 2 |\n| three | four *five* |\n\nafter it',
  'one\r\ntwo\r\nthree\r\nfour\r\n\r\nfive\r\nsix\r\n\r\nseven',
  '<div>\nhtml & text\n</div>\n\nafter it',
];

/** Divides a text into pieces of one to five characters, which may divide a character of two units. */
const piecesOf = (text: string): readonly string[] => {
  const pieces: string[] = [];
  for (let at = 0, size = 1; at < text.length; at += size, size = (size % 5) + 1)
    pieces.push(text.slice(at, at + size));
  return pieces;
};

/** Serves a Worker that writes these pieces. `write` lets it write one more, and gives its page a frame. */
const serveWriter = async (t: ExecutionContext, messages: readonly (readonly string[])[]) => {
  const served = await Served.start(t);
  let gates = 0;
  const gate = () => ({ type: 'gate' as const, gate: `${gates++}` });
  const steps = messages.flatMap((pieces) => [
    ...pieces.flatMap((text) => [gate(), { type: 'text' as const, text }]),
    gate(),
    { type: 'message' as const },
  ]);
  served.engine.script = () => steps;
  await served.runtime.createWorker({ engine: 'scripted', workerId: 'ada' });
  const { runtimeId } = await served.runtime.summary();
  const opened = await openPage(t, served.url);
  const page = new WorkerPage(opened.page);
  const open = (other: WorkerPage, view = '') => other.open(served.url, runtimeId, 'ada', view);
  await open(page);
  await page.isLoaded();
  await served.runtime.sendInput('ada', { text: 'write' });
  let passed = 0;
  const write = async (): Promise<void> => {
    served.engine.gate(`${passed}`).open();
    passed += 1;
    await opened.page.evaluate('new Promise((resolve) => requestAnimationFrame(resolve))');
  };
  return { served, opened, open, write };
};

const WRITING = '[data-writing] article';
const FINISHED = '[data-kind="message"][data-seq] article';

/** Returns the elements of the last message with this selector. */
const elementsOf = (page: Page, selector: string): Promise<string> =>
  page.evaluate<string>(`[...document.querySelectorAll('${selector}')].at(-1).innerHTML`);

/** Waits until two pages show the same elements. The last piece may still be on its way to each of them. */
const becomeAlike = async (one: Page, other: Page, selector: string): Promise<void> => {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const elements = [await elementsOf(one, selector), await elementsOf(other, selector)];
    if (elements[0] === elements[1]) return;
    if (performance.now() > end) throw new Error(`Two pages differ:\n${elements.join('\n')}`);
    await one.evaluate('new Promise((resolve) => setTimeout(resolve, 50))');
  }
};

browserTest('P38: a text that is written has the elements of the whole text, in any pieces', async (t) => {
  const messages = TEXTS.map((text) => [...piecesOf(`Before it.\n\n${text}`), '\n\nthe end']);
  const { served, opened, open, write } = await serveWriter(t, messages);
  const late = new WorkerPage((await openPage(t, served.url)).page);
  for (const [at, pieces] of messages.entries()) {
    for (const index of pieces.keys()) {
      await write();
      if (index % 12 !== 11) continue;
      // a view that is opened now gets all of the text at once
      await open(late, '/events');
      await late.page.locator('[data-event]').first().waitFor();
      await open(late);
      await late.page.locator(WRITING).waitFor();
      await becomeAlike(opened.page, late.page, WRITING);
    }
    await until(opened.page, `document.querySelector('${WRITING}').textContent.endsWith('the end')`);
    const elements = await elementsOf(opened.page, WRITING);
    await write();
    await until(opened.page, `document.querySelectorAll('${FINISHED}').length === ${at + 1}`);
    t.is(await elementsOf(opened.page, FINISHED), elements);
  }
  await assertHarmless(t, opened);
});

browserTest('P38: a text that is written can be selected and copied while it grows', async (t) => {
  const pieces = [
    'These words are selected,',
    ' more',
    ' words',
    ' and',
    ' `code`',
    '.\n\n```ts\nconst',
    ' a',
    ' = 1;',
  ];
  const { opened, write } = await serveWriter(t, [pieces]);
  const { page, context } = opened;
  const shows = (text: string) =>
    until(page, `document.querySelector('${WRITING}')?.textContent.includes('${text}')`);
  await write();
  await shows('selected,');
  await page.evaluate(`(() => {
    const [text] = document.querySelector('${WRITING} p').childNodes;
    getSelection().setBaseAndExtent(text, 6, text, 11);
  })()`);
  for (const text of ['more', 'words', 'and']) {
    await write();
    await shows(text);
    t.is(await page.evaluate('getSelection().toString()'), 'words');
  }

  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  for (const _ of pieces.slice(4)) await write();
  await shows('const a = 1;');
  await page.getByRole('button', { name: 'Copy the code' }).click();
  await page.getByRole('button', { name: 'Copied' }).waitFor();
  t.is(await page.evaluate('navigator.clipboard.readText()'), 'const a = 1;');
});
