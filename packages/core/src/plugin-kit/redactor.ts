import type { JsonValue } from '../contracts/json.ts';

const literally = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');

/** Replaces secrets, such as keys and private paths, with a word in texts of other parties. */
export class Redactor {
  readonly #words = new Map<string, string>();
  #pattern: RegExp | null = null;

  /** Adds a secret and the word that replaces it. */
  add(text: string, word: string): void {
    if (text === '' || this.#words.has(text)) return;
    this.#words.set(text, word);
    this.#pattern = null;
  }

  /** Replaces all secrets in a text. */
  text(text: string): string {
    return this.#words.size === 0
      ? text
      : text.replace(this.#compiled(), (found) => this.#words.get(found) ?? found);
  }

  /** Replaces all secrets in the strings of a value, including its keys. */
  json(value: JsonValue): JsonValue {
    if (typeof value === 'string') return this.text(value);
    if (value === null || typeof value !== 'object') return value;
    if (Array.isArray(value)) return value.map((item) => this.json(item as JsonValue));
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [this.text(key), this.json(item as JsonValue)]),
    );
  }

  /**
   * Returns the length of the beginning of a streamed text that may be redacted and shown now. A secret may have begun
   * after it. For each secret, looks at no more characters at the end of the text than the secret has.
   */
  settled(text: string): number {
    let end = text.length;
    for (const secret of this.#words.keys())
      for (let at = Math.max(0, text.length - secret.length + 1); at < end; at += 1)
        if (secret.startsWith(text.slice(at))) end = at;
    if (end === text.length) return end;
    // a complete secret must not be cut in two if another one may begin inside it
    for (const { index, 0: found } of text.matchAll(this.#compiled()))
      if (index < end && index + found.length > end) end = index;
    return end;
  }

  /** Compiles the pattern, longer secrets first: of two with the same beginning, the longer one is replaced. */
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
