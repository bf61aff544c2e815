import { type Page, type PageQuery, RuntimeError } from '@worker-runtime/core';
import type { Across, Unavailable } from '@worker-runtime/core/plugin-kit';

/** One runtime of a list over several. */
export interface Part<T> {
  readonly name: string;
  readonly runtimeId: string;
  /** Reads a page. It settles within the time limit of lists. */
  readonly read: (query: PageQuery) => Promise<Page<T>>;
  /** The report of a runtime that is known not to answer; null for one that answers. */
  readonly missing: Unavailable | null;
  /** Returns the report of a failed read. */
  readonly failed: (error: unknown) => Unavailable;
}

const CURSOR = /^(runtime_[0-9a-z]{26})\.([A-Za-z0-9._-]{1,128})$/;

/**
 * Reads a page over runtimes, in the order of their ids. All that are not known to be missing are asked at once, so that a page takes no longer than the
 * slowest one that answers in time, and each page knows all that do not. A page costs one page of each runtime from the cursor on.
 * @throws CURSOR_INVALID
 */
export const readAcross = async <T>(
  parts: readonly Part<T>[],
  { after = 'start', limit }: { readonly after?: string; readonly limit: number },
): Promise<Across<T>> => {
  const isStart = after === 'start' || after === '0';
  const [, fromId = '', fromCursor = 'start'] = isStart ? [] : (CURSOR.exec(after) ?? []);
  if (!isStart && fromId === '') throw new RuntimeError('CURSOR_INVALID');
  const sorted = parts.toSorted((a, b) => (a.runtimeId < b.runtimeId ? -1 : 1));
  const rest = sorted.filter(({ runtimeId }) => runtimeId >= fromId);
  const pages = await Promise.all(
    rest.map(async ({ runtimeId, missing, read, failed }) => {
      if (missing !== null) return missing;
      try {
        return await read({ after: runtimeId === fromId ? fromCursor : 'start', limit });
      } catch (error) {
        // a cursor that the runtime refuses is the fault of the caller
        if (error instanceof RuntimeError && error.code === 'CURSOR_INVALID') throw error;
        return failed(error);
      }
    }),
  );
  const items: T[] = [];
  const unavailable = sorted.flatMap(({ runtimeId, missing }) => (runtimeId < fromId ? (missing ?? []) : []));
  let next: string | null = null;
  for (const [index, page] of pages.entries()) {
    if (!('items' in page)) {
      unavailable.push(page);
      continue;
    }
    if (next !== null) continue;
    const { runtimeId } = rest[index] as Part<T>;
    if (items.length > 0 && items.length + page.items.length > limit) {
      // a page of a runtime is not cut, since only its own cursor can continue it
      next = `${runtimeId}.${runtimeId === fromId ? fromCursor : 'start'}`;
      continue;
    }
    items.push(...page.items);
    if (page.next !== null) next = `${runtimeId}.${page.next}`;
    else if (items.length >= limit) {
      const following = rest[index + 1];
      if (following !== undefined) next = `${following.runtimeId}.start`;
    }
  }
  return { items, next, unavailable };
};
