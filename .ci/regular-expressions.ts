/** Finds regular expressions whose time grows with the square of the text that they search. */

export interface Literal {
  readonly source: string;
  readonly flags: string;
  readonly line: number;
}

/** The words after which a slash begins a regular expression, although they look like a name. */
const BEFORE_VALUE = new Set([
  'return',
  'typeof',
  'case',
  'in',
  'of',
  'await',
  'yield',
  'throw',
  'else',
  'void',
]);

/** The end of a quoted text that begins at `at`, escapes included. */
const endOfString = (text: string, at: number): number => {
  const quote = text[at];
  let end = at + 1;
  while (end < text.length && text[end] !== quote) end += text[end] === '\\' ? 2 : 1;
  return end + 1;
};

/** The end of a regular expression that begins at `at`, without its flags. */
const endOfLiteral = (text: string, at: number): number => {
  let isInClass = false;
  for (let end = at + 1; end < text.length && text[end] !== '\n'; end++) {
    const character = text[end];
    if (character === '\\') end += 1;
    else if (character === '[') isInClass = true;
    else if (character === ']') isInClass = false;
    else if (character === '/' && !isInClass) return end + 1;
  }
  throw new SyntaxError('A regular expression has no end');
};

/** True if a slash at the end of this code begins a regular expression and is no division. */
const expectsValue = (code: string): boolean => {
  const last = code.trimEnd().at(-1) ?? '(';
  if (!/[\w$)\]}]/.test(last)) return true;
  const [word] = /(?<![\w$])[\w$]+$/.exec(code.trimEnd()) ?? [''];
  return BEFORE_VALUE.has(word);
};

/** Returns the regular expressions of a TypeScript source. */
export function literalsOf(text: string): Literal[] {
  const found: Literal[] = [];
  /** For each template that is open, the number of braces that are open inside its expression. */
  const braces: number[] = [];
  let line = 1;
  let at = 0;
  let codeFrom = 0;
  const skipTo = (end: number): void => {
    line += text.slice(at, end).split('\n').length - 1;
    at = end;
  };
  const template = (): void => {
    let end = at + 1;
    while (end < text.length && text[end] !== '`' && !text.startsWith('${', end))
      end += text[end] === '\\' ? 2 : 1;
    if (text.startsWith('${', end)) braces.push(0);
    skipTo(text[end] === '`' ? end + 1 : end + 2);
    codeFrom = at;
  };
  while (at < text.length) {
    const character = text[at] as string;
    if (text.startsWith('//', at)) skipTo(Math.max(at, text.indexOf('\n', at)) || text.length);
    else if (text.startsWith('/*', at)) skipTo(text.indexOf('*/', at) + 2);
    else if (character === "'" || character === '"') skipTo(endOfString(text, at));
    else if (character === '`') template();
    else if (character === '}' && braces.at(-1) === 0) {
      braces.pop();
      template();
    } else if (character === '/' && expectsValue(text.slice(Math.max(codeFrom, at - 40), at))) {
      const end = endOfLiteral(text, at);
      const [flags = ''] = /^[a-z]*/.exec(text.slice(end, end + 10)) ?? [];
      found.push({ source: text.slice(at + 1, end - 1), flags, line });
      skipTo(end + flags.length);
    } else {
      const depth = braces.length - 1;
      if (depth >= 0 && character === '{') braces[depth] = (braces[depth] ?? 0) + 1;
      if (depth >= 0 && character === '}') braces[depth] = (braces[depth] ?? 0) - 1;
      skipTo(at + 1);
    }
  }
  return found;
}

/** One part of a pattern: a character class with a quantifier, or an assertion, which has no class. */
interface Part {
  readonly of: string | null;
  readonly min: number;
  readonly max: number;
  /** True for `^` and for a negative lookbehind, which limit where a match begins. */
  readonly isAnchor: boolean;
}
type Path = readonly Part[];

/** The most ways through a pattern that are looked at. */
const MOST_PATHS = 512;
/** A repetition of more characters than this counts as unbounded. */
const MOST_BOUNDED = 1_000;

const assertion = (isAnchor: boolean): Part => ({ of: null, min: 1, max: 1, isAnchor });

/** Parses a pattern into all ways through it: one for each alternative, and one with and without each optional group. */
class PathParser {
  readonly #source: string;
  #at = 0;

  constructor(source: string) {
    this.#source = source;
  }

  paths(): Path[] {
    const all: Path[] = [];
    for (;;) {
      all.push(...this.#sequence());
      if (this.#source[this.#at] !== '|') return all.slice(0, MOST_PATHS);
      this.#at += 1;
    }
  }

  #sequence(): Path[] {
    let paths: Path[] = [[]];
    while (this.#at < this.#source.length && !'|)'.includes(this.#source[this.#at] as string)) {
      const nexts = this.#term();
      paths = paths.flatMap((path) => nexts.map((next) => [...path, ...next])).slice(0, MOST_PATHS);
    }
    return paths;
  }

  #term(): Path[] {
    const rest = this.#source.slice(this.#at);
    const [zeroWidth] = /^(?:\^|\$|\\[bB])/.exec(rest) ?? [];
    if (zeroWidth !== undefined) {
      this.#at += zeroWidth.length;
      return [[assertion(zeroWidth === '^')]];
    }
    if (rest[0] === '(') return this.#group(rest);
    const [of = ''] =
      /^(?:\[(?:\\[\s\S]|[^\]\\])*\]|\\(?:[pP]\{[^}]*\}|u\{[^}]*\}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|k<\w+>|[\s\S])|[\s\S])/.exec(
        rest,
      ) ?? [];
    this.#at += of.length;
    return [[{ of, ...this.#quantifier(), isAnchor: false }]];
  }

  #group(rest: string): Path[] {
    const [opening = '('] = /^\((?:\?(?:<[=!]|[:=!]|<\w+>))?/.exec(rest) ?? [];
    this.#at += opening.length;
    const inner = this.paths();
    this.#at += 1;
    if (['(?=', '(?!', '(?<=', '(?<!'].includes(opening)) {
      // a negative lookahead that excludes the beginning excludes one position only
      return [[assertion(opening === '(?<!')]];
    }
    const { min, max } = this.#quantifier();
    if (max <= 1) return min === 0 ? [[], ...inner] : inner;
    const classes = inner.flatMap((path) => path.flatMap(({ of }) => (of === null ? [] : [of])));
    return [[{ of: `(?:${classes.join('|')})`, min, max, isAnchor: false }]];
  }

  #quantifier(): { readonly min: number; readonly max: number } {
    const [text = '', , from, comma, to] =
      /^(?:([*+?])|\{(\d+)(,?)(\d*)\})\??/.exec(this.#source.slice(this.#at)) ?? [];
    this.#at += text.length;
    if (text === '') return { min: 1, max: 1 };
    const infinite = Number.POSITIVE_INFINITY;
    if (from !== undefined)
      return { min: Number(from), max: comma === '' ? Number(from) : to === '' ? infinite : Number(to) };
    return { min: text[0] === '+' ? 1 : 0, max: text[0] === '?' ? 1 : infinite };
  }
}

/** Characters that represent all classes that occur in patterns. */
const SAMPLES = [
  ...Array.from({ length: 0x250 }, (_, code) => String.fromCharCode(code)),
  ...['\u2028', '\u3000', '\u4e00', '\ud800', '\ufeff', '\ufffd', '\u{1f642}'],
];

const matchers = new Map<string, ReadonlySet<string>>();

const charactersOf = (of: string, flags: string): ReadonlySet<string> => {
  const key = `${flags}/${of}`;
  let known = matchers.get(key);
  if (known === undefined) {
    const pattern = new RegExp(`^(?:${of})$`, flags.replace(/[gyd]/g, ''));
    known = new Set(SAMPLES.filter((sample) => pattern.test(sample)));
    matchers.set(key, known);
  }
  return known;
};

const overlap = (one: string, other: string, flags: string): boolean => {
  const others = charactersOf(other, flags);
  return [...charactersOf(one, flags)].some((character) => others.has(character));
};

const isUnbounded = ({ of, max }: Part): boolean => of !== null && max > MOST_BOUNDED;

const isQuadraticPath = (path: Path, flags: string): boolean => {
  const isAnchored = flags.includes('y') || path[0]?.isAnchor === true;
  return path.some((part, at) => {
    const { of } = part;
    if (of === null || !isUnbounded(part)) return false;
    const after = path.slice(at + 1);
    // without a part that must match, the first attempt succeeds
    const hasRequiredAfter = (parts: Path): boolean => parts.some(({ min }) => min > 0);
    if (!hasRequiredAfter(after)) return false;
    // each position of a run begins an attempt, which reads the rest of the run
    const before = path.slice(0, at).filter((earlier) => earlier.of !== null && earlier.min > 0);
    if (!isAnchored && before.every((earlier) => overlap(earlier.of as string, of, flags))) return true;
    // a run is split between two repetitions in every way
    for (const [index, later] of after.entries()) {
      if (later.of !== null && isUnbounded(later) && overlap(of, later.of, flags))
        return hasRequiredAfter(after.slice(index + 1));
      if (later.min > 0) return false;
    }
    return false;
  });
};

/**
 * True if the pattern has one of these shapes: a repetition that may begin a match anywhere and is followed by a part
 * that must match (`\s+$`), or two repetitions of the same characters with nothing required in between (`\s*x?\s*y`).
 */
export const isQuadratic = ({ source, flags }: Pick<Literal, 'source' | 'flags'>): boolean =>
  new PathParser(source).paths().some((path) => isQuadraticPath(path, flags));
