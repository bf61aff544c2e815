/**
 * Finds sentences that CONTRIBUTING.md, "Writing", rules out: in comments, in strings of prose, in test titles and in
 * pages. `node --import tsx .ci/language.ts [PATH…]` prints one line for each offence. Without a path it reads everything.
 *
 * Imports only `node:` modules, so that a copy of this one file works in any checkout.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** A stretch of a file that people read. Its text has the length of the original, with markup replaced by spaces. */
interface Prose {
  readonly kind: 'doc' | 'comment' | 'string' | 'title' | 'page';
  readonly text: string;
  /** The index of the first character in the file. */
  readonly start: number;
}

export interface Offence {
  readonly path: string;
  /** Counted from 1. */
  readonly line: number;
  /** The text that was found, on one line. */
  readonly found: string;
  readonly advice: string;
}

interface Rule {
  readonly pattern: RegExp;
  readonly advice: string;
}

/** A doc comment begins with a verb in the third person or with a noun phrase, never with a clause. */
const CLAUSE =
  /^(?:what|whatever|whether|where|wherever|who|whom|whoever|whose|which|how(?! (?:many|much|long|often|far)\b)|why|that|if|when|whenever|until|because|nobody|somebody)\b/i;

/** A test title may begin with a condition, but not with a relative clause. */
const RELATIVE_CLAUSE =
  /^(?:what|whatever|whether|where|wherever|who|whom|whoever|whose|how(?! (?:many|much|long|often|far)\b)|why|nobody|somebody)\b/i;

const IS = '(?:is|are|was|were|be|been|being)';

const turn = (words: string, advice: string): Rule => ({
  pattern: new RegExp(`(?<![\\w-])(?:${words.replaceAll(' ', '\\s+')})(?![\\w-])`, 'gi'),
  advice,
});

/** Turns of phrase that appear in no text, each with the words to use in their place. */
const TURNS: readonly Rule[] = [
  turn('who(?:so|m)?ever', 'name the actor: a caller, a subscriber, an operator'),
  turn('what(?:so)?ever', 'say "any", or name the thing'),
  turn('nobody', 'name the actor: no caller, no subscriber'),
  turn('(?:some|any)body', 'name the actor, or say "someone"'),
  turn('anew', 'say "again"'),
  turn('meanwhile', 'say "in the meantime", or name the moment'),
  turn('just now', 'say "currently", or leave it out'),
  turn('all the same', 'say "anyway" or "still"'),
  turn('at hand', 'say "available"'),
  turn('here and elsewhere', 'name the places'),
  turn('(?:go|goes|going|gone|went) on(?! (?:a|an|its|one|the|their))', 'say "continue"'),
  turn('under way', 'say "in progress"'),
  turn(
    `${IS}(?: (?:not|never|only|also|then|always|once|still))? told`,
    'say who notifies, reports or answers',
  ),
  turn('(?:tell|tells|telling|told) of', 'say "report" or "notify"'),
  turn('(?:hear|hears|hearing|heard) of', 'say "receive" or "be notified"'),
  turn('unheard', 'say "unhandled" or "unknown"'),
  turn(`${IS}(?: (?:not|never|only|also))? said`, 'say "sent", "reported" or "recorded"'),
  turn('said of', 'say "used for" or "describes"'),
  turn('half[ -](?:made|done)', 'say "incomplete"'),
  turn('(?:take|takes|taking|taken|took) back', 'say "undo" or "remove"'),
  turn('(?:call|calls|calling|called) off', 'say "cancel"'),
  turn('(?:let|lets|letting) go(?: of)?', 'say "release" or "detach"'),
  turn('(?:give|gives|giving|given|gave) up', 'say "stop", or name the failure'),
  turn('further behind', 'name what is behind: "a watch that is further behind"'),
  turn("(?:is|are|was|were|isn't|wasn't) on(?=\\s*(?:[.,;:!?)]|$))", 'say "active"'),
  turn('(?:is|are|was|were) on (?:when|while|until)', 'say "active"'),
  turn('no more(?=\\s*(?:[.,;:!?)]|$))', 'say "no longer"'),
];

/** Names that the code does not use, each with the words to use in their place. */
const NAMES: readonly Rule[] = [
  {
    pattern:
      /\b(?:giveUp|givesUp|gaveUp|givenUp|giveUps|letGo|letsGo|callOff|callsOff|calledOff|CalledOff)\w*|\b\w+(?:GiveUp|GivenUp|GaveUp|LetGo|CallOff|CalledOff)\w*/g,
    advice: 'use detach, fence, cancel, release or close (docs/glossary.md)',
  },
  {
    pattern: /\b(?:told|said|unheard|doubted)\b/gi,
    advice: 'use a plain noun or verb: sent, reported, recorded',
  },
];

const blank = (text: string): string => text.replace(/[^\n]/g, ' ');

/** Replaces code spans by dots, so that they still count as words, and addresses and targets of links by spaces. */
const withoutCode = (text: string): string =>
  text
    .replace(/(`+)(?!`)[\s\S]*?[^`]\1(?!`)/g, (span) => span.replace(/[^\n]/g, '·'))
    .replace(/\bhttps?:\/\/[^\s)>]+/g, blank)
    .replace(/\]\([^)\s]*\)/g, blank)
    .replace(/\{@link [^}]*\}/g, blank);

/** The words of a comment without its marks. */
const comment = (raw: string): string =>
  withoutCode(
    raw
      .replace(/^\/\*\*?|\*\/$/g, blank)
      .replace(/^(\s*)\*/gm, '$1 ')
      .replace(/^(\s*)\/\//gm, '$1  '),
  );

const beforeRegExp = /(?:^|[(,=:[!&|?{};~+\-*%<>^]|\b(?:return|case|typeof|of|in|yield|await))\s*$/;
const beforeTitle = /(?<![\w.$])(?:test|suite|it)(?:\.\w+)?\(\s*$/;

/** The index behind the template literal that begins at `at`. */
function endOfTemplate(source: string, at: number): number {
  let index = at + 1;
  while (index < source.length && source[index] !== '`') {
    if (source[index] === '\\') index += 2;
    else if (source.startsWith('${', index)) index = endOfHole(source, index + 2);
    else index += 1;
  }
  return index + 1;
}

/** The index behind the brace that closes a `${`. */
function endOfHole(source: string, at: number): number {
  let depth = 1;
  let index = at;
  while (index < source.length && depth > 0) {
    if (source[index] === '`') {
      index = endOfTemplate(source, index);
      continue;
    }
    const quoted = /^(?:'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")/.exec(source.slice(index, index + 500));
    if (quoted !== null) {
      index += quoted[0].length;
      continue;
    }
    if (source[index] === '{') depth += 1;
    if (source[index] === '}') depth -= 1;
    index += 1;
  }
  return index;
}

const token =
  /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`|\/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\//g;

interface Text {
  readonly prose: readonly Prose[];
  /** The source with comments and strings replaced by spaces. */
  readonly code: string;
}

/** Splits a TypeScript or JavaScript source into what people read and what the compiler reads. */
function ofSource(source: string): Text {
  const prose: Prose[] = [];
  let code = source;
  const cut = (start: number, end: number) => {
    code = code.slice(0, start) + blank(code.slice(start, end)) + code.slice(end);
  };
  const scanner = new RegExp(token);
  for (let match = scanner.exec(source); match !== null; match = scanner.exec(source)) {
    const [raw] = match;
    const start = match.index;
    const before = source.slice(Math.max(0, start - 40), start);
    if (raw.startsWith('//')) {
      cut(start, start + raw.length);
      const last = prose.at(-1);
      const gap = last === undefined ? null : source.slice(last.start + last.text.length, start);
      const text = comment(raw);
      // lines that follow one another are one comment, so that a turn is found across the break
      if (last?.kind === 'comment' && gap !== null && /^[ \t]*\n[ \t]*$/.test(gap)) {
        prose.pop();
        prose.push({ ...last, text: last.text + gap + text });
      } else prose.push({ kind: 'comment', text, start });
    } else if (raw.startsWith('/*')) {
      cut(start, start + raw.length);
      prose.push({ kind: raw.startsWith('/**') ? 'doc' : 'comment', text: comment(raw), start });
    } else if (raw.startsWith('/')) {
      if (beforeRegExp.test(before)) cut(start, start + raw.length);
      else scanner.lastIndex = start + 1;
    } else {
      const end = raw === '`' ? endOfTemplate(source, start) : start + raw.length;
      const text = source.slice(start + 1, end - 1);
      cut(start, end);
      scanner.lastIndex = end;
      const kind = beforeTitle.test(before) ? 'title' : 'string';
      // a string with a space between words is prose; a name, a path or a flag is not
      if (kind === 'title' || /[a-z,;:.!?)] +[a-z("']/i.test(text))
        prose.push({ kind, text: text.replace(/\$\{[^}]*\}|\\n/g, blank), start: start + 1 });
    }
  }
  return { prose, code };
}

/** The prose of a Markdown page, and of the comments in its TypeScript blocks. */
function ofPage(page: string): Text {
  const prose: Prose[] = [];
  const rest = page.replace(
    /^( *)(```+)(\w*)[^\n]*\n([\s\S]*?)^ *\2 *$/gm,
    (block: string, _indent: string, _mark: string, language: string, body: string, at: number) => {
      if (/^(?:ts|js|typescript|javascript)$/.test(language)) {
        const start = at + block.indexOf(body);
        prose.push(...ofSource(body).prose.map((found) => ({ ...found, start: start + found.start })));
      }
      return blank(block);
    },
  );
  // a table cell, a list item and a paragraph are stretches of their own
  const text = withoutCode(rest.replace(/<!--[\s\S]*?-->/g, blank)).replace(/^(\s*)>/gm, '$1 ');
  for (const match of text.matchAll(/[^|]+?(?=\||\n\s*\n|\n\s*(?:[-*]|\d+\.) |$(?![\s\S]))/g))
    if (/\w/.test(match[0])) prose.push({ kind: 'page', text: match[0], start: match.index });
  return { prose, code: '' };
}

/** The comments of a shell script or of a YAML file. */
function ofScript(script: string): Text {
  const prose = [...script.matchAll(/^[ \t]*#(?!!)[^\n]*(?:\n[ \t]*#[^\n]*)*/gm)].map(
    (match): Prose => ({
      kind: 'comment',
      text: withoutCode(match[0].replace(/^([ \t]*)#/gm, '$1 ')),
      start: match.index,
    }),
  );
  return { prose, code: '' };
}

/** The comments and titles of a test: its other strings are data. */
const ofTest = (source: string): Text => {
  const { prose, code } = ofSource(source);
  return { prose: prose.filter(({ kind }) => kind !== 'string'), code };
};

function textOf(path: string, content: string): Text {
  if (path.endsWith('.md')) return ofPage(content);
  if (!/\.[cm]?[jt]s$/.test(path)) return ofScript(content);
  return /(?:^|\/)test\/|^testing\/|\.test\.ts$/.test(path) ? ofTest(content) : ofSource(content);
}

/** The beginning of a doc comment or a title, without the number of a promise (`P9: …`). */
const opening = (text: string): string => text.replace(/^[\s'"(*]*(?:P\d+(?:, P\d+)*:\s*)?/, '');

/** Finds every offence in the content of one file. */
export function offencesIn(path: string, content: string): Offence[] {
  const { prose, code } = textOf(path, content);
  const offences: Offence[] = [];
  const report = (index: number, found: string, advice: string) => {
    const line = content.slice(0, index).split('\n').length;
    offences.push({ path, line, found: found.replace(/\s+/g, ' ').trim(), advice });
  };
  for (const { kind, text, start } of prose) {
    const begin = opening(text);
    const at = start + text.length - begin.length;
    if (kind === 'doc') {
      if (CLAUSE.test(begin)) report(at, begin.slice(0, 50), 'begin with a verb or a noun phrase');
      for (const match of text.matchAll(/@returns?\s+(whether|what|where|who)\b/gi))
        report(start + match.index, match[0], 'begin with a noun phrase, or with "true if"');
    }
    if (kind === 'title' && RELATIVE_CLAUSE.test(begin))
      report(at, begin.slice(0, 50), 'state the behaviour: subject, verb');
    for (const { pattern, advice } of TURNS)
      for (const match of text.matchAll(pattern)) report(start + match.index, match[0], advice);
  }
  for (const { pattern, advice } of NAMES)
    for (const match of code.matchAll(pattern)) report(match.index, match[0], advice);
  return offences.sort((a, b) => a.line - b.line);
}

const skipped = new Set(['node_modules', 'dist', 'assets', '.git', '.turbo', 'results']);
// these two hold the words that they refuse
const isRead = (path: string): boolean =>
  (/\.(?:[cm]?[jt]s|md|ya?ml)$/.test(path) || /(?:^|\/)\.ci\/[\w-]+(?:\.sh)?$/.test(path)) &&
  !/(?:^|\/)language(?:\.test)?\.ts$/.test(path);

/** Every file below `path`, or `path` itself, whose text is checked. */
export function filesBelow(path: string): string[] {
  if (!statSync(path).isDirectory()) return isRead(path) ? [path] : [];
  return readdirSync(path, { withFileTypes: true })
    .filter(({ name }) => !skipped.has(name))
    .flatMap((entry) => {
      const child = path === '.' ? entry.name : join(path, entry.name);
      if (entry.isDirectory()) return filesBelow(child);
      return isRead(child) ? [child] : [];
    });
}

const [, program, ...paths] = process.argv;
if (program !== undefined && import.meta.url === pathToFileURL(program).href) {
  const offences = (paths.length > 0 ? paths : ['.'])
    .flatMap(filesBelow)
    .flatMap((path) => offencesIn(path, readFileSync(path, 'utf8')));
  for (const { path, line, found, advice } of offences) console.log(`${path}:${line}: "${found}": ${advice}`);
  console.log(`${offences.length} offences`);
  process.exitCode = offences.length > 0 ? 1 : 0;
}
