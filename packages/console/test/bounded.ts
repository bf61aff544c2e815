/** Texts and values that take long, or many calls, to show. */
import type { JsonValue } from '@worker-runtime/core';
import { inputText } from '@worker-runtime/core';
import { markdownOf } from '@worker-runtime/core/views';
import { assertHarmless, browserTest, openPage } from '@worker-runtime/test-environment/browser';
import test from 'ava';
import type { Token } from 'marked';
import { BoundedLexer } from '../src/app/conversation/bounded-lexer.ts';
import { permission } from './asking.ts';
import { EventsPage } from './pages/events-page.ts';
import { WorkerPage } from './pages/worker-page.ts';
import { Served } from './served.ts';

const CHARS = 40_000;

const repeated = (part: string): string => part.repeat(Math.floor(CHARS / part.length));

/** Texts of which each mark or level costs a parser a look at all others. */
const COSTLY = [
  ...['> ', '>', '1. ', '+ ', '- ', '* ', '  > - ', '#'].map(repeated),
  ...[
    '*a_',
    '**a *b ',
    '_a ',
    '~a ',
    '~~a',
    '***a** b',
    'a**b',
    '`a',
    '![',
    '[a](',
    '[',
    '<a ',
    'a@',
    '!',
  ].map(repeated),
  `${'a'.repeat(CHARS)}@`,
  `${repeated('a.')}@`,
  ...[400, 1_200, 4_000].map((chars) => `${'*a_'.repeat(chars / 3)}\n\n`.repeat(CHARS / chars)),
  Array.from({ length: 280 }, (_, level) => `${' '.repeat(level)}- a`).join('\n'),
];

const rawOf = (tokens: readonly Token[]): string => tokens.map(({ raw }) => raw).join('');

test('P91: a text of any marks is divided in bounded time, and loses no character', (t) => {
  for (const text of COSTLY) {
    const began = performance.now();
    const tokens = new BoundedLexer().lex(text);
    const took = performance.now() - began;
    // a hundred times what the slowest takes; without the bounds, some take minutes and some never end
    t.true(took < 15_000, `${text.slice(0, 12)} took ${took} ms`);
    t.is(rawOf(tokens).replaceAll(/\s/g, ''), text.replaceAll(/\s/g, ''), text.slice(0, 12));
  }
});

test('P91: the marks of a long text that people write are all found', (t) => {
  const line = '**Key**: the `value` of _it_, see [the page](https://example.com) or <https://example.com/a>';
  const marks = (tokens: readonly Token[] = []): number =>
    tokens.reduce(
      (sum, token) =>
        sum +
        (/^(strong|codespan|em|link)$/.test(token.type) ? 1 : 0) +
        marks('tokens' in token ? token.tokens : []),
      0,
    );
  // one paragraph without a blank line, and as many as a page shows at once
  for (const text of [`${line}\n`.repeat(60), `${`${line}\n`.repeat(8)}\n`.repeat(50)])
    t.is(marks(new BoundedLexer().lex(text)), text.split(line).length * 5 - 5);
});

/** Returns a small value that is long with an indentation: many parts, nested deeply. */
const nested = (levels: number, parts: number): JsonValue =>
  Array.from({ length: levels }).reduce<JsonValue>(
    (inner) => [inner],
    Array.from({ length: parts }, () => 1),
  );

test('P91: a conversation with any value is exported as Markdown', (t) => {
  for (const input of [nested(999, 300_000), { text: '` '.repeat(300_000) }]) {
    const text = markdownOf({
      id: '1',
      seq: 1,
      run: 'run_1',
      role: 'assistant',
      time: '2026-11-30T00:00:00.000Z',
      parts: [{ type: 'tool-call', call: 'c', name: 'read', input }],
    } as never);
    t.true(text.length < 2_000_000);
    t.true(text.includes(JSON.stringify(input).slice(0, 100).replace('{"text":"', '')));
  }
});

browserTest('P91: no text or value keeps a person from the request after it', async (t) => {
  const served = await Served.start(t);
  const deep = nested(990, 250_000);
  const texts = ['>'.repeat(CHARS), repeated('1. '), repeated('*a_'), repeated('!'), `${'a'.repeat(CHARS)}@`];
  const call = (id: string, value: JsonValue) => [
    { type: 'tool-call' as const, call: id, name: 'read', input: value },
    { type: 'tool-result' as const, call: id, output: value },
  ];
  served.engine.script = (run) => [
    ...texts.flatMap((text) => [
      { type: 'reasoning' as const, text },
      { type: 'text' as const, text },
      { type: 'message' as const },
    ]),
    ...call('deep', deep),
    ...call('text', '` '.repeat(200_000)),
    { type: 'text', text: '&toString; &valueOf; &amp;lt;' },
    { type: 'message' },
    { type: 'tool-call', call: 'last', name: 'write', input: deep },
    permission(`May I ${inputText(run.input)}?`, { call: 'last' }),
  ];
  await served.runtime.createWorker({ engine: 'scripted', workerId: 'mallory' });
  await served.runtime.sendInput('mallory', { text: 'write' });
  const { runtimeId } = served.runtime;
  const opened = await openPage(t, served.url);
  const { page } = opened;
  await page.goto(`${served.url}/#/inbox`);
  await page.locator('figure').waitFor();
  await new WorkerPage(page).open(served.url, runtimeId, 'mallory', '/events');
  await page.locator('[data-event]').first().waitFor();
  for (const type of ['tool.called', 'message.completed'])
    await page.locator('[data-event] > button').filter({ hasText: type }).first().click();
  await page.locator('[data-event] pre').nth(1).waitFor();
  const { text } = await new EventsPage(page).exported('The conversation, as Markdown');
  t.true(text.includes('## '));
  await new WorkerPage(page).open(served.url, runtimeId, 'mallory');
  t.is(
    await page.locator('[data-kind="message"]').getByText('&toString;').textContent(),
    '&toString; &valueOf; &lt;',
  );
  await page.evaluate(`for (const fold of document.querySelectorAll('details')) fold.open = true`);
  await page.getByRole('button', { name: 'Allow' }).click();
  await page.locator('[data-request][data-open="false"]').waitFor();
  await assertHarmless(t, opened);
});

browserTest('P91: no address of a page makes it fail', async (t) => {
  const served = await Served.start(t);
  const { runtime, url } = served;
  await runtime.createWorker({ engine: 'scripted', workerId: 'ada' });
  const opened = await openPage(t, url);
  const { page } = opened;
  const worker = `runtimes/${runtime.runtimeId}/workers/ada`;
  for (const name of ['__proto__', 'constructor', '1e99']) {
    const text = encodeURIComponent(name);
    for (const [path, sign] of [
      [`workers?sort=${text}`, '[data-worker]'],
      [`workers?${text}=1&${text}=2`, '[data-worker]'],
      [`workers?status=${text}&engine=${text}&label=${text}`, 'main h1'],
      [`workers/new?like=${text}&runtime=${text}`, 'form'],
      [`usage?days=${text}&label=${text}`, 'main h1'],
      [`${worker}?until=${text}`, '[data-loaded="true"]'],
      [`${worker}/events?at=${text}&types=${text}`, '[aria-label="Events"]'],
      [`runtimes/${text}/workers/${text}`, 'main h1, main h2'],
    ] as const) {
      await page.goto('about:blank');
      await page.goto(`${url}/#/${path}`);
      await page.locator(sign).first().waitFor();
      t.is(await page.getByText('Something went wrong').count(), 0, path);
    }
  }
  await assertHarmless(t, opened);
});
