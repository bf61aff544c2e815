/*
 * Texts that stay after the page is closed. A browser may have no room for one, or may refuse to store any. Such a text stays as long as
 * the page, and the browser asks before it closes the page.
 */

const PREFIX = 'worker-runtime.';

/** The texts that the browser did not take, by their names. */
const refused = new Map<string, string>();

/** Calls the storage of the browser, which may refuse each call. */
const attempt = <T>(use: (storage: Storage) => T): T | undefined => {
  try {
    return use(localStorage);
  } catch {
    return undefined;
  }
};

/** Returns a text that was kept, or null. */
export const kept = (name: string): string | null =>
  refused.get(name) ?? attempt((storage) => storage.getItem(PREFIX + name)) ?? null;

/** Keeps a text instead of the last one of its name, or none. */
export const keep = (name: string, text: string | null): void => {
  refused.delete(name);
  const isStored = attempt((storage) => {
    // the text of before gives its room to the new one, and never comes back instead of it
    storage.removeItem(PREFIX + name);
    if (text !== null) storage.setItem(PREFIX + name, text);
    return true;
  });
  if (text !== null && !isStored) refused.set(name, text);
};

/** Returns the names of all texts that are kept and begin so. */
export const keptNames = (beginning: string): readonly string[] =>
  (attempt(Object.keys) ?? [])
    .filter((name) => name.startsWith(PREFIX + beginning))
    .map((name) => name.slice(PREFIX.length));

addEventListener('beforeunload', (event) => {
  if (refused.size > 0) event.preventDefault();
});
