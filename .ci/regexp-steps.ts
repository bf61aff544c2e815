/**
 * Counts the steps that a backtracking engine takes for a regular expression, on texts that are chosen to make it slow.
 * Counts do not depend on the machine, as times do.
 */

type Node =
  /** One character. */
  | { readonly kind: 'character'; readonly matches: (character: string) => boolean }
  /** `^`, `$`, `\b` and `\B`, which match between characters. */
  | {
      readonly kind: 'boundary';
      readonly source: string;
      readonly matches: (text: string, at: number) => boolean;
    }
  | { readonly kind: 'group'; readonly alternatives: readonly Sequence[] }
  | {
      readonly kind: 'look';
      readonly isBehind: boolean;
      readonly isNegative: boolean;
      readonly alternatives: readonly Sequence[];
    }
  | {
      readonly kind: 'repeat';
      readonly node: Node;
      readonly min: number;
      readonly max: number;
      readonly isLazy: boolean;
    };
type Sequence = readonly Node[];

const QUANTIFIER = /^(?:[*+?]|\{(\d+)(?:(,)(\d*))?\})(\??)/;
const ATOM =
  /^(?:\\(?:u\{[^}]*\}|u[\da-f]{4}|x[\da-f]{2}|c[a-z]|[pP]\{[^}]*\}|.)|\[(?:\\.|[^\]\\])*\]|[^\\[])/isu;

class Parser {
  #rest: string;
  readonly #flags: string;

  constructor({ source, flags }: RegExp) {
    this.#rest = source;
    this.#flags = flags.replace(/[dgy]/g, '');
  }

  alternatives(): readonly Sequence[] {
    const found = [this.#sequence()];
    while (this.#take('|')) found.push(this.#sequence());
    return found;
  }

  #sequence(): Sequence {
    const nodes: Node[] = [];
    while (this.#rest !== '' && this.#rest[0] !== '|' && this.#rest[0] !== ')') nodes.push(this.#repeated());
    return nodes;
  }

  #repeated(): Node {
    const node = this.#node();
    const found = QUANTIFIER.exec(this.#rest);
    if (found === null) return node;
    const [all, least, comma, most] = found;
    this.#rest = this.#rest.slice(all.length);
    const open = Number.POSITIVE_INFINITY;
    const min = all[0] === '+' ? 1 : Number(least ?? 0);
    const max =
      all[0] === '?' ? 1 : least === undefined || (comma && most === '') ? open : Number(most ?? least);
    return { kind: 'repeat', node, min, max, isLazy: found[4] === '?' };
  }

  #node(): Node {
    if (this.#take('(')) {
      const [, behind, sign] = /^\?(<?)([=!])/.exec(this.#rest) ?? [];
      const look = sign === undefined ? null : { isBehind: behind === '<', isNegative: sign === '!' };
      this.#rest = this.#rest.replace(/^\?(?:<?[=!]|:|<\w+>)/, '');
      const alternatives = this.alternatives();
      if (!this.#take(')')) throw new Error(`")" is missing before ${this.#rest}`);
      return look === null ? { kind: 'group', alternatives } : { kind: 'look', ...look, alternatives };
    }
    const [source] = ATOM.exec(this.#rest) ?? [];
    if (source === undefined || /^\\[1-9k]/.test(source)) throw new Error(`not supported: ${this.#rest}`);
    this.#rest = this.#rest.slice(source.length);
    if (source === '^' || source === '$' || source === '\\b' || source === '\\B') {
      const pattern = new RegExp(source, `${this.#flags}y`);
      const matches = (text: string, at: number): boolean => {
        pattern.lastIndex = at;
        return pattern.test(text);
      };
      return { kind: 'boundary', source, matches };
    }
    const pattern = new RegExp(`^${source}$`, this.#flags.replace('m', ''));
    const known = new Map<string, boolean>();
    const matches = (character: string): boolean => {
      const is = known.get(character) ?? pattern.test(character);
      known.set(character, is);
      return is;
    };
    return { kind: 'character', matches };
  }

  #take(text: string): boolean {
    if (!this.#rest.startsWith(text)) return false;
    this.#rest = this.#rest.slice(text.length);
    return true;
  }
}

/** Counting ends here, because some patterns take a number of steps that is exponential. */
const LIMIT = 1_000_000;

/** Matches by backtracking, and counts how often it looks at a character or a boundary. */
class Matcher {
  steps = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** Returns the first end of a match from `at` that `then` accepts, or -1. */
  any(alternatives: readonly Sequence[], at: number, then: (end: number) => number): number {
    for (const sequence of alternatives) {
      const end = this.#all(sequence, 0, at, then);
      if (end !== -1) return end;
    }
    return -1;
  }

  #all(sequence: Sequence, index: number, at: number, then: (end: number) => number): number {
    const node = sequence[index];
    return node ? this.#one(node, at, (end) => this.#all(sequence, index + 1, end, then)) : then(at);
  }

  #one(node: Node, at: number, then: (end: number) => number): number {
    switch (node.kind) {
      case 'character':
        return this.#isMatch(node, at) ? then(at + 1) : -1;
      case 'boundary':
        this.#count();
        return node.matches(this.#text, at) ? then(at) : -1;
      case 'group':
        return this.any(node.alternatives, at, then);
      case 'look': {
        const from = node.isBehind ? Math.max(0, at - 1) : at;
        const end = this.any(node.alternatives, from, (found) =>
          node.isBehind && found !== at ? -1 : found,
        );
        return (end !== -1) === node.isNegative ? -1 : then(at);
      }
      case 'repeat':
        return node.node.kind === 'character'
          ? this.#run(node.node, node, at, then)
          : this.#repeat(node, 0, at, then);
    }
  }

  /** Repeats one character without recursion. */
  #run(
    character: Extract<Node, { kind: 'character' }>,
    { min, max, isLazy }: { readonly min: number; readonly max: number; readonly isLazy: boolean },
    at: number,
    then: (end: number) => number,
  ): number {
    let times = 0;
    if (isLazy) {
      while (times < min) if (!this.#isMatch(character, at + times++)) return -1;
      for (;;) {
        const end = then(at + times);
        if (end !== -1 || times >= max || !this.#isMatch(character, at + times)) return end;
        times++;
      }
    }
    while (times < max && this.#isMatch(character, at + times)) times++;
    for (; times >= min; times--) {
      const end = then(at + times);
      if (end !== -1) return end;
    }
    return -1;
  }

  #repeat(
    node: Extract<Node, { kind: 'repeat' }>,
    times: number,
    at: number,
    then: (end: number) => number,
  ): number {
    const more = (): number =>
      times >= node.max
        ? -1
        : this.#one(node.node, at, (end) =>
            end === at && times >= node.min ? -1 : this.#repeat(node, times + 1, end, then),
          );
    if (times < node.min) return more();
    if (node.isLazy) {
      const end = then(at);
      return end === -1 ? more() : end;
    }
    const end = more();
    return end === -1 ? then(at) : end;
  }

  #isMatch(node: Extract<Node, { kind: 'character' }>, at: number): boolean {
    this.#count();
    return at < this.#text.length && node.matches(this.#text[at] ?? '');
  }

  #count(): void {
    this.steps += 1;
    if (this.steps > LIMIT) throw new RangeError('too many steps');
  }
}

const parse = (pattern: RegExp): readonly Sequence[] => new Parser(pattern).alternatives();

/** Returns the number of steps to find the first match in a text or, with the flag `g`, all matches. */
export const stepsOf = (pattern: RegExp, text: string): number => {
  const alternatives = parse(pattern);
  const matcher = new Matcher(text);
  try {
    for (let from = 0; from <= text.length; ) {
      const end = matcher.any(alternatives, from, (found) => found);
      if (end !== -1 && !pattern.global) break;
      from = Math.max(from + 1, end);
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return matcher.steps;
};

const POOL = [
  ' ',
  '\n',
  'a',
  'A',
  '0',
  '-',
  '_',
  '/',
  '.',
  '=',
  ',',
  '"',
  "'",
  ':',
  '\\',
  '\u00e9',
  '\ufffd',
  '\ud83d',
  '\u0001',
];

/** Returns the shortest text that a node matches. */
const shortest = (node: Node): string => {
  if (node.kind === 'character') return POOL.find(node.matches) ?? characterOf(node.matches);
  if (node.kind === 'group') return (node.alternatives[0] ?? []).map(shortest).join('');
  if (node.kind === 'repeat') return shortest(node.node).repeat(node.min);
  return '';
};

const characterOf = (matches: (character: string) => boolean): string =>
  Array.from({ length: 128 }, (_, code) => String.fromCharCode(code)).find(matches) ?? '\u0000';

interface Attack {
  readonly before: string;
  readonly repeated: string;
  readonly after: string;
}

/** Lists texts for each node that repeats without a small limit: its text repeated, alone and in what surrounds it. */
const attacksOf = (alternatives: readonly Sequence[], before = '', after = ''): readonly Attack[] =>
  alternatives.flatMap((sequence) =>
    sequence.flatMap((node, at) => {
      const start = before + sequence.slice(0, at).map(shortest).join('');
      const end =
        sequence
          .slice(at + 1)
          .map(shortest)
          .join('') + after;
      const inner = node.kind === 'repeat' ? node.node : node;
      const nested =
        inner.kind === 'group' || inner.kind === 'look' ? attacksOf(inner.alternatives, start, end) : [];
      if (node.kind !== 'repeat' || node.max < 1_000) return nested;
      const texts = inner.kind === 'character' ? POOL.filter(inner.matches) : [shortest(inner)];
      const rights = ['', '\u0000', `${end.slice(0, -1)}\u0000`];
      const own = texts.flatMap((text) =>
        rights.flatMap((right) => [
          { before: '', repeated: text, after: right },
          { before: start, repeated: text, after: right },
          { before: '', repeated: start + text, after: right },
        ]),
      );
      return [...nested, ...own];
    }),
  );

const SIZE = 60;
/** Ten times the text may take this many times the steps. Ten is linear, a hundred is quadratic. */
const RATIO = 20;

/** Returns a text for which the steps of a pattern grow faster than the text, or null if none was found. */
export const slowText = (pattern: RegExp): string | null => {
  for (const { before, repeated, after } of attacksOf(parse(pattern))) {
    const text = (times: number): string => before + repeated.repeat(times) + after;
    const steps = stepsOf(pattern, text(SIZE));
    if (steps > LIMIT || stepsOf(pattern, text(10 * SIZE)) > RATIO * steps)
      return JSON.stringify(`${before}(${repeated})*${after}`);
  }
  return null;
};

const LITERAL =
  /(?:^|[(,=:[!&|?{};>]|\breturn)\s*\/((?![/*])(?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\[])+)\/([dgimsuvy]*)(?=\s*(?:$|[.,;)\]}?:]))/g;

const compile = (source: string, flags: string): readonly RegExp[] => {
  try {
    return [new RegExp(source, flags)];
  } catch {
    // the compiler accepts valid literals only, so this is a piece of a template
    return [];
  }
};

/** Returns the regular expressions in a source that are written as literals. */
export const literalsIn = (source: string): readonly RegExp[] =>
  source
    .split('\n')
    .filter((line) => !/^(?:\/\/|\/?\*)/.test(line.trimStart()))
    .flatMap((line) => [...line.matchAll(LITERAL)])
    .flatMap(([, pattern = '', flags = '']) => compile(pattern, flags));
