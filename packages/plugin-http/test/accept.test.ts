import test from 'ava';
import { JSON_TYPE, NDJSON_TYPE, preferred, SSE_TYPE } from '../src/wire/accept.ts';

const OFFERS = [JSON_TYPE, NDJSON_TYPE, SSE_TYPE] as const;

const CASES: readonly (readonly [accept: string | undefined, best: (typeof OFFERS)[number] | null])[] = [
  [undefined, JSON_TYPE],
  ['*/*', JSON_TYPE],
  ['', null],
  ['text/event-stream', SSE_TYPE],
  ['TEXT/Event-Stream', SSE_TYPE],
  ['text/event-stream, */*', SSE_TYPE],
  ['text/*', SSE_TYPE],
  ['application/*', JSON_TYPE],
  ['application/*;q=0.5, application/x-ndjson', NDJSON_TYPE],
  ['application/json;q=0.1, application/x-ndjson;q=0.2', NDJSON_TYPE],
  ['application/json;q=0, */*;q=0.1', NDJSON_TYPE],
  ['text/html', null],
  ['text/html, application/xhtml+xml, */*;q=0.8', JSON_TYPE],
  [';q=, ,,', null],
  ['application/json;q=abc', null],
];

for (const [accept, best] of CASES) {
  test(`Accept: ${accept ?? '(none)'} selects ${best ?? 'nothing'}`, (t) => {
    t.is(preferred(accept, OFFERS), best);
  });
}
