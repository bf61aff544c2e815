import type { JsonValue } from '../contracts/json.ts';

const literally = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');

/** Takes out of what others say what nobody may hear of, as keys and private paths, and puts a word in its place. */
export class Redactor {
  readonly #words = new Map<string, string>();
  #pattern: RegExp | null = null;

  /** From now on `word` stands for this text. */
  add(text: string, word: string): void {
    if (text === '' || this.#words.has(text)) return;
    this.#words.set(text, word);
    this.#pattern = null;
  }

  text(text: string): string {
    return this.#words.size === 0
      ? text
      : text.replace(this.#compiled(), (found) => this.#words.get(found) ?? found);
  }

  /** The same in all texts of a value, those of its keys too. */
  json(value: JsonValue): JsonValue {
    if (typeof value === 'string') return this.text(value);
    if (value === null || typeof value !== 'object') return value;
    if (Array.isArray(value)) return value.map((item) => this.json(item as JsonValue));
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [this.text(key), this.json(item as JsonValue)]),
    );
  }

  /**
   * How much of a text that goes on may be shown, redacted: behind it something may have begun that has to be taken
   * out. Looks at no more of its end than the longest text that was added has, once for each of them.
   */
  settled(text: string): number {
    let end = text.length;
    for (const secret of this.#words.keys())
      for (let at = Math.max(0, text.length - secret.length + 1); at < end; at += 1)
        if (secret.startsWith(text.slice(at))) end = at;
    if (end === text.length) return end;
    // one that is whole must not be cut in two where another may begin in it
    for (const { index, 0: found } of text.matchAll(this.#compiled()))
      if (index < end && index + found.length > end) end = index;
    return end;
  }

  /** Of two that begin alike the longer one is meant. */
  #compiled(): RegExp {
    this.#pattern ??= new RegExp(
      [...this.#words.keys()]
        .sort((a, b) => b.length - a.length)
        .map(literally)
        .join('|'),
      'g',
    );
    return this.#pattern;
  }
}
