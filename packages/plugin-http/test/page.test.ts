import test from 'ava';
import { jsonPage } from '../src/wire/page.ts';

const LINES = ['{"seq":1,"text":"a, b"}', '{"seq":2,"text":"grüße 🙂\\n"}'];

const textOf = (lines: readonly string[], gaps: Parameters<typeof jsonPage>[0]['gaps'] = []): string =>
  jsonPage({
    lines: Buffer.from(lines.map((line) => `${line}\n`).join('')),
    next: 'n',
    asOf: 'a',
    gaps,
  }).toString();

test('a page contains the stored lines unchanged', (t) => {
  t.is(textOf(LINES), `{"items":[${LINES.join(',')}],"next":"n","asOf":"a"}`);
  t.is(textOf(LINES.slice(0, 1)), `{"items":[${LINES[0]}],"next":"n","asOf":"a"}`);
});

test('a page without lines is empty', (t) => {
  t.is(textOf([]), '{"items":[],"next":"n","asOf":"a"}');
});

test('P13: a page reports the gaps of a damaged log', (t) => {
  const gap = { afterSeq: 2, beforeSeq: 7, code: 'STORE_CORRUPT' };
  t.deepEqual(JSON.parse(textOf(LINES, [gap])).gaps, [gap]);
});

test('building a page does not change the lines, which are shared', (t) => {
  const lines = Buffer.from(`${LINES.join('\n')}\n`);
  const before = lines.toString();
  jsonPage({ lines, next: null, asOf: 'a', gaps: [] });
  t.is(lines.toString(), before);
});
