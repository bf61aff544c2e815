import type { Page } from '@worker-runtime/core';

/** Yields the items of all pages. */
export async function* itemsOf<T>(read: (after: string) => Promise<Page<T>>): AsyncGenerator<T> {
  for (let after: string | null = 'start'; after !== null; ) {
    const page: Page<T> = await read(after);
    yield* page.items;
    after = page.next;
  }
}
