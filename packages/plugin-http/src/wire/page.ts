import type { Page } from '@worker-runtime/core';
import type { RawPage } from '@worker-runtime/core/plugin-kit';
import type { HttpReply } from '../message/http-reply.ts';
import type { HttpRequest } from '../message/http-request.ts';
import { JSON_TYPE, NDJSON_TYPE, negotiate } from './accept.ts';

const NEWLINE = 0x0a;
const COMMA = 0x2c;

/** The fields of a page beside its items. */
type PageInfo = Pick<RawPage, 'next' | 'asOf' | 'gaps'>;

/** Returns the end of a JSON page, behind its items. */
const endOf = ({ next, asOf, gaps = [] }: Omit<Page<unknown>, 'items'>): string =>
  JSON.stringify(gaps.length === 0 ? { next, asOf } : { next, asOf, gaps }).slice(1);

/**
 * Builds a JSON page from stored lines, which are copied and not parsed. The only newline of a line is its last
 * character (JSON escapes others), so replacing newlines by commas joins the items.
 */
export const jsonPage = ({ lines, next, asOf, gaps }: PageInfo & Pick<RawPage, 'lines'>): Buffer => {
  const head = '{"items":[';
  const tail = `],${endOf({ next, asOf, gaps })}`;
  const items = Math.max(0, lines.length - 1);
  const page = Buffer.allocUnsafe(head.length + items + Buffer.byteLength(tail));
  page.write(head, 0, 'latin1');
  page.set(lines.subarray(0, items), head.length);
  const end = head.length + items;
  for (
    let at = page.indexOf(NEWLINE, head.length);
    at !== -1 && at < end;
    at = page.indexOf(NEWLINE, at + 1)
  ) {
    page[at] = COMMA;
  }
  page.write(tail, end);
  return page;
};

/** Sets the headers that describe the items of a page. */
const describePage = (reply: HttpReply, { next, asOf, gaps }: PageInfo): HttpReply => {
  if (next !== null) reply.header('page-next', next);
  reply.header('page-as-of', asOf);
  if (gaps.length > 0) reply.header('page-gaps', JSON.stringify(gaps));
  return reply;
};

/** Answers with a page of stored lines: unchanged as NDJSON, or joined to a JSON page. @throws NOT_ACCEPTABLE */
export const sendLines = (request: HttpRequest, reply: HttpReply, page: RawPage): HttpReply => {
  if (negotiate(request.headers.accept, [JSON_TYPE, NDJSON_TYPE]) === JSON_TYPE) {
    return reply.type(JSON_TYPE).send(jsonPage(page));
  }
  const { lines } = page;
  return describePage(reply, page)
    .type(NDJSON_TYPE)
    .send(Buffer.from(lines.buffer, lines.byteOffset, lines.length));
};

const texts = new WeakMap<object, string>();

/**
 * Returns the JSON of an item. That of a frozen item is kept as long as the item: the runtime returns the same object for a Worker
 * until the Worker changes.
 */
const textOf = (item: unknown): string => {
  const known = texts.get(item as object);
  if (known !== undefined) return known;
  const text = JSON.stringify(item);
  if (typeof item === 'object' && item !== null && Object.isFrozen(item)) texts.set(item, text);
  return text;
};

/** Answers with a page of objects. @throws NOT_ACCEPTABLE */
export const sendPage = <T>(request: HttpRequest, reply: HttpReply, page: Page<T>): HttpReply => {
  const items = page.items.map(textOf);
  if (negotiate(request.headers.accept, [JSON_TYPE, NDJSON_TYPE]) === JSON_TYPE) {
    return reply.type(JSON_TYPE).send(`{"items":[${items.join(',')}],${endOf(page)}`);
  }
  return describePage(reply, { next: page.next, asOf: page.asOf, gaps: page.gaps ?? [] })
    .type(NDJSON_TYPE)
    .send(items.map((item) => `${item}\n`).join(''));
};
