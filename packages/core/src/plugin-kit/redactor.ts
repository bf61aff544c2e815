import type { JsonValue } from '../contracts/json.ts';
import { encodedForms } from './encoded-forms.ts';

const literally = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');

/** Returns a value as the encoder sees it: `toJSON` is applied, and what JSON does not have is left out or null. */
const plainJson = (value: unknown): JsonValue => JSON.parse(JSON.stringify(value) ?? 'null') as JsonValue;

/** Returns for each length of a beginning of a word the length of its longest proper end that also begins the word. */
const overlapsOf = (word: string): Uint32Array => {
  const overlaps = new Uint32Array(word.length + 1);
  let length = 0;
  for (let at = 1; at < word.length; at += 1) {
    while (length > 0 && word[at] !== word[length]) length = overlaps[length] as number;
    if (word[at] === word[length]) length += 1;
    overlaps[at + 1] = length;
  }
  return overlaps;
};

/** Returns the length of the longest end of a text that begins a word and is not the whole word, in linear time. */
const begunLength = (text: string, word: string, overlaps: Uint32Array): number => {
  let length = 0;
  for (let at = Math.max(0, text.length - word.length + 1); at < text.length; at += 1) {
    while (length > 0 && text[at] !== word[length]) length = overlaps[length] as number;
    if (text[at] === word[length]) length += 1;
  }
  return length;
};

/** Replaces secrets, such as keys and private paths, with a word in texts of other parties. */
export class Redactor {
  readonly #words = new Map<string, string>();
  readonly #overlaps = new Map<string, Uint32Array>();
  #shortest = Number.POSITIVE_INFINITY;
  #pattern: RegExp | null = null;

  /** Adds a secret and the word that replaces it, also where the secret appears encoded in JSON. */
  add(text: string, word: string): void {
    if (text === '' || this.#words.has(text)) return;
    for (const form of encodedForms(text)) {
      if (this.#words.has(form)) continue;
      this.#words.set(form, word);
      this.#overlaps.set(form, overlapsOf(form));
      this.#shortest = Math.min(this.#shortest, form.length);
    }
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
   * Returns a value as JSON with all secrets replaced. They are replaced before the value is encoded: the encoder may
   * change how a secret looks.
   */
  stringify(value: unknown): string {
    return JSON.stringify(this.json(plainJson(value)));
  }

  /**
   * Returns the length of the beginning of a streamed text that may be redacted and shown now. A secret may have begun
   * after it. For each secret, looks at no more characters at the end of the text than the secret has.
   */
  settled(text: string): number {
    let end = text.length;
    for (const [secret, overlaps] of this.#overlaps)
      end = Math.min(end, text.length - begunLength(text, secret, overlaps));
    if (end === text.length || text.length < this.#shortest) return end;
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
