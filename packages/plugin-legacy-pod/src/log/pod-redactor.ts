import type { JsonValue } from '@worker-runtime/core';

const literally = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');

const byLength = (texts: Iterable<string>): string[] => [...texts].sort((a, b) => b.length - a.length);

/** The rest of a path behind a directory that is private. */
const REST = '(?:\\/[^\\s"\'`<>|)\\]},;]*)?';
/** Any socket of a pod, also one of another runtime directory. */
const SOCKET = '\\/[^\\s"\'`<>]{1,400}?\\/sock(?![\\w-]|\\.\\w)';
const PROCESS = '\\b(?:[Pp][Ii][Dd]|[Pp]rocess)\\b["\']?[\\s:=#]{0,4}\\d{1,10}\\b';

/** What may be the beginning of something private when the text goes on. */
const OPEN_END = /(?:\b(?:pid|process)\b["']?[\s:=#]{0,4})?\S*$/i;
const MOST_HELD = 8_192;

/**
 * Takes out of published text what is private: directories, names of pods, sockets, process ids, ids of sessions. The
 * workspace keeps its name for people, so that paths inside it stay readable. The one of core knows exact texts only; what a
 * pod says has to be known by its shape too.
 */
export class PodRedactor {
  readonly #places = new Set<string>();
  readonly #workspaces = new Set<string>();
  readonly #words = new Set<string>();
  #pattern: RegExp | null = null;

  /** Directories and files that nobody may hear of, with all that is in them. */
  addPlaces(paths: Iterable<string | null>): void {
    for (const path of paths) if (path !== null) this.#add(this.#places, path.replace(/\/+$/, ''));
  }

  addWorkspaces(paths: Iterable<string | null>): void {
    for (const path of paths) if (path !== null) this.#add(this.#workspaces, path.replace(/\/+$/, ''));
  }

  /** Names of pods and ids: taken out where they stand as words of their own. */
  addWords(words: Iterable<string | null>): void {
    for (const word of words) if (word !== null) this.#add(this.#words, word);
  }

  text(text: string): string {
    const pattern = this.#compiled();
    return text.replace(pattern, (match: string, ...groups: unknown[]) => {
      const named = groups.at(-1) as Readonly<Record<string, string | undefined>>;
      if (named.place !== undefined || named.socket !== undefined) return '[private path]';
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
   * How much of a text that goes on may be shown: behind it something private may have begun.
   */
  openEnd(text: string): number {
    const from = Math.max(0, text.length - MOST_HELD);
    let cut = from + (OPEN_END.exec(text.slice(from))?.index ?? 0);
    for (const secret of [...this.#places, ...this.#workspaces, ...this.#words]) {
      if (!/\s/.test(secret)) continue;
      const whole = text.lastIndexOf(secret);
      if (whole !== -1 && whole < cut && whole + secret.length >= cut) cut = whole;
      for (let held = Math.min(secret.length, text.length); held > text.length - cut; held -= 1)
        if (text.endsWith(secret.slice(0, held))) cut = text.length - held;
    }
    return cut;
  }

  #add(to: Set<string>, text: string): void {
    // one character is no secret, and "/" would take every path out
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
        ...group(
          'place',
          byLength(this.#places).map((place) => literally(place) + REST),
        ),
        ...group(
          'workspace',
          byLength(this.#workspaces).map((path) => `${literally(path)}(?![\\w-])`),
        ),
        ...group('socket', [SOCKET]),
        ...group('process', [PROCESS]),
        ...group(
          'word',
          byLength(this.#words).map((word) => `(?<![\\w-])${literally(word)}(?![\\w-])`),
        ),
      ].join('|'),
      'g',
    );
    this.#pattern = pattern;
    return pattern;
  }
}

/** Redacts text that comes in pieces: what might be the beginning of something private waits for what follows. */
export class RedactedStream {
  readonly #redactor: PodRedactor;
  #held = '';

  constructor(redactor: PodRedactor) {
    this.#redactor = redactor;
  }

  /** What may be shown now. */
  push(text: string): string {
    this.#held += text;
    const cut = this.#redactor.openEnd(this.#held);
    const shown = this.#held.slice(0, cut);
    this.#held = this.#held.slice(cut);
    return this.#redactor.text(shown);
  }

  /** The text has ended: the rest of it. */
  end(): string {
    const rest = this.#redactor.text(this.#held);
    this.#held = '';
    return rest;
  }
}
