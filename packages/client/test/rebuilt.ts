import type { Observation } from '@worker-runtime/core';
import type { ExecutionContext } from 'ava';

/** Rebuilds events and text from a stream, and asserts the guarantees that hold across lost connections. */
export class Rebuilt {
  readonly lines: string[] = [];
  readonly text = new Map<string, string>();
  readonly #t: ExecutionContext;
  #seq: number;

  constructor(t: ExecutionContext, afterSeq = 0) {
    this.#t = t;
    this.#seq = afterSeq;
  }

  take(item: Observation): void {
    if (item.type === 'event') {
      this.#t.is(item.event.seq, this.#seq + 1, 'P5: no gap and no repetition');
      this.#seq += 1;
      this.lines.push(JSON.stringify(item.event));
      if (item.event.type === 'message.completed') {
        const { message, parts } = item.event.data;
        const [part] = parts;
        // the streamed text may be incomplete, if the connection was lost before its end
        if (part?.type === 'text') this.#t.true(part.text.startsWith(this.text.get(message) ?? ''));
        this.text.delete(message);
      }
    } else if (item.type === 'in-flight') {
      this.text.clear();
      for (const { message, parts } of item.messages)
        this.text.set(message, parts.map(({ text }) => text).join(''));
    } else if (item.type === 'delta') {
      const before = this.text.get(item.message) ?? '';
      this.#t.is(item.offset, before.length, 'P5: a delta continues where the text ends');
      this.text.set(item.message, before + item.text);
    }
  }
}

/** Reads the stored lines of a log with plain HTTP requests, without the client. */
export const storedLines = async (
  url: string,
  workerId: string,
  token?: string,
): Promise<readonly string[]> => {
  const lines: string[] = [];
  for (let after: string | null = 'start'; after !== null; ) {
    const query: string = new URLSearchParams({ after, limit: '1000' }).toString();
    const page: Response = await fetch(`${url}/v1/runtimes/self/workers/${workerId}/events?${query}`, {
      headers: { accept: 'application/x-ndjson', ...(token && { authorization: `Bearer ${token}` }) },
    });
    lines.push(...(await page.text()).trimEnd().split('\n'));
    after = page.headers.get('page-next');
  }
  return lines;
};
