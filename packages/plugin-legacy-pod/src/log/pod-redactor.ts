import type { JsonValue } from '@worker-runtime/core';
import { encodedForms } from '@worker-runtime/core/plugin-kit';

const escapeRegExp = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');

/** Returns a path without the slashes at its end. */
const withoutSlashes = (path: string): string => {
  let end = path.length;
  while (path[end - 1] === '/') end -= 1;
  return path.slice(0, end);
};

const byLength = (texts: Iterable<string>): string[] => [...texts].sort((a, b) => b.length - a.length);

/** The rest of a path below a private directory. */
const REST = '(?:\\/[^\\s"\'`<>|)\\]},;]*)?';
/** The socket of any pod, also in another runtime directory. */
const SOCKET = '\\/[^\\s"\'`<>]{1,400}?\\/sock(?![\\w-]|\\.\\w)';
const PROCESS = '\\b(?:[Pp][Ii][Dd]|[Pp]rocess)\\b["\']?[\\s:=#]{0,4}\\d{1,10}\\b';

/** The end of a text that may be the beginning of something private. It is searched from its last word on. */
const OPEN_END = /(?:\b(?:pid|process)\b["']?[\s:=#]{0,4})?\S*$/gi;
/** The most characters that `OPEN_END` matches before the last word. */
const MAX_BEFORE_WORD = 12;
const MAX_HELD_CHARS = 8_192;

/**
 * Replaces private parts of published text: directories, pod names, sockets, process ids and session ids. The path of
 * the workspace becomes `[workspace]`, so that paths inside it stay readable. Core's redactor matches exact texts
 * only; the output of a pod must also be matched by its shape.
 */
export class PodRedactor {
  readonly #paths = new Set<string>();
  readonly #workspaces = new Set<string>();
  readonly #words = new Set<string>();
  readonly #secrets = new Set<string>();
  #pattern: RegExp | null = null;

  /** Adds private directories and files, with all paths below them. */
  addPaths(paths: Iterable<string | null>): void {
    for (const path of paths) if (path !== null) this.#add(this.#paths, withoutSlashes(path));
  }

  addWorkspaces(paths: Iterable<string | null>): void {
    for (const path of paths) if (path !== null) this.#add(this.#workspaces, withoutSlashes(path));
  }

  /** Adds pod names and ids. They are replaced only as whole words. */
  addWords(words: Iterable<string | null>): void {
    for (const word of words) if (word !== null) this.#add(this.#words, word);
  }

  /** Adds secrets. They are replaced everywhere, also inside words. */
  addSecrets(secrets: Iterable<string>): void {
    for (const secret of secrets) for (const form of encodedForms(secret)) this.#add(this.#secrets, form);
  }

  text(text: string): string {
    const pattern = this.#compiled();
    return text.replace(pattern, (match: string, ...groups: unknown[]) => {
      const named = groups.at(-1) as Readonly<Record<string, string | undefined>>;
      if (named.secret !== undefined) return '[secret]';
      if (named.path !== undefined || named.socket !== undefined) return '[private path]';
      if (named.workspace !== undefined) return '[workspace]';
      if (named.process !== undefined) return match.replace(/\d+$/, '[private]');
      return '[private]';
    });
  }

  json(value: JsonValue): JsonValue {
    if (typeof value === 'string') return this.text(value);
    if (Array.isArray(value)) return value.map((item) => this.json(item as JsonValue));
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [
        this.text(key),
        /^(pid|process_?id)$/i.test(key) && typeof item === 'number'
          ? '[private]'
          : this.json(item as JsonValue),
      ]),
    );
  }

  /**
   * Returns how many characters of an unfinished text may be shown. The rest may be the beginning of something private.
   */
  openEnd(text: string): number {
    const from = Math.max(0, text.length - MAX_HELD_CHARS);
    let word = text.length;
    while (word > from && !/\s/.test(text[word - 1] as string)) word -= 1;
    // Searched from here on, not from the beginning: for each earlier word, the pattern would read to its end again.
    OPEN_END.lastIndex = Math.max(from, word - MAX_BEFORE_WORD);
    let cut = OPEN_END.exec(text)?.index ?? word;
    for (const secret of [...this.#paths, ...this.#workspaces, ...this.#words, ...this.#secrets]) {
      if (!/\s/.test(secret)) continue;
      const whole = text.lastIndexOf(secret);
      if (whole !== -1 && whole < cut && whole + secret.length >= cut) cut = whole;
      for (let held = Math.min(secret.length, text.length); held > text.length - cut; held -= 1)
        if (text.endsWith(secret.slice(0, held))) cut = text.length - held;
    }
    return cut;
  }

  #add(to: Set<string>, text: string): void {
    // A single character is not a secret, and "/" would match every path.
    if (text.length < 2 || to.has(text)) return;
    to.add(text);
    this.#pattern = null;
  }

  #compiled(): RegExp {
    if (this.#pattern) return this.#pattern;
    const group = (name: string, alternatives: readonly string[]): string[] =>
      alternatives.length === 0 ? [] : [`(?<${name}>${alternatives.join('|')})`];
    const pattern = new RegExp(
      [
        ...group('secret', byLength(this.#secrets).map(escapeRegExp)),
        ...group(
          'path',
          byLength(this.#paths).map((path) => escapeRegExp(path) + REST),
        ),
        ...group(
          'workspace',
          byLength(this.#workspaces).map((path) => `${escapeRegExp(path)}(?![\\w-])`),
        ),
        ...group('socket', [SOCKET]),
        ...group('process', [PROCESS]),
        ...group(
          'word',
          byLength(this.#words).map((word) => `(?<![\\w-])${escapeRegExp(word)}(?![\\w-])`),
        ),
      ].join('|'),
      'g',
    );
    this.#pattern = pattern;
    return pattern;
  }
}

/** Redacts text that arrives in pieces. Holds back an end that may be the beginning of something private. */
export class RedactedStream {
  readonly #redactor: PodRedactor;
  #held = '';

  constructor(redactor: PodRedactor) {
    this.#redactor = redactor;
  }

  /** Adds a piece. Returns the redacted text that may be shown now. */
  push(text: string): string {
    this.#held += text;
    const cut = this.#redactor.openEnd(this.#held);
    const shown = this.#held.slice(0, cut);
    this.#held = this.#held.slice(cut);
    return this.#redactor.text(shown);
  }

  /** Ends the text. Returns its redacted rest. */
  end(): string {
    const rest = this.#redactor.text(this.#held);
    this.#held = '';
    return rest;
  }
}
