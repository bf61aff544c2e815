import { Source } from '../live/source.ts';

interface Announcement {
  readonly key: number;
  readonly text: string;
}

/** The number of announcements that stay in the page. A screen reader that is still reading finds those before the last one. */
const KEPT = 5;

/** The texts that a screen reader reads to a person. */
class Announcements extends Source<readonly Announcement[]> {
  #items: readonly Announcement[] = [];
  #count = 0;

  add(text: string): void {
    this.#count += 1;
    this.#items = [...this.#items, { key: this.#count, text }].slice(-KEPT);
    this.changed();
  }

  protected override take(): readonly Announcement[] {
    return this.#items;
  }
}

export const announcements = new Announcements();

/** Says a text to people who use a screen reader. Call it where a result of an act only shows. */
export const announce = (text: string): void => announcements.add(text);
