/** Finds imports and types in the text of a source, because TypeScript 7 has no compiler API. */

// Strings come first in the pattern, so that `//` in a URL does not begin a comment.
const token = /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;

export function withoutComments(source: string): string {
  return source.replace(token, (_, string: string | undefined) => string ?? ' ');
}

function withoutStrings(source: string): string {
  return source.replace(token, (_, string: string | undefined) => (string === undefined ? ' ' : "''"));
}

/** Returns the relative paths that are written as strings in a source: of imports, of URLs, of programs. */
export function relativePathsIn(source: string): string[] {
  const strings = [...source.matchAll(token)].flatMap((match) => match[1]?.slice(1, -1) ?? []);
  return strings.filter((text) => /^\.\.?\//.test(text));
}

export interface Import {
  /** The imported name, or `undefined` if the source computes it. */
  readonly specifier: string | undefined;
  readonly isTypeOnly: boolean;
}

/** Returns the imports of a source: static, dynamic, re-exports, types and `require`. */
export function importsOf(source: string): Import[] {
  const code = withoutComments(source);
  const found: Import[] = [];
  for (const match of code.matchAll(
    /\b(?:import|export)\s*(type\b)?\s*(?:[\w$*{},\s]*?\bfrom\s*)?(['"])([^'"\n]+)\2/g,
  ))
    found.push({ specifier: match[3], isTypeOnly: match[1] !== undefined });
  for (const match of code.matchAll(/(?<![.\w$])(?:import|require)\s*\(\s*(?:(['"`])([^'"`\n]*)\1\s*[,)])?/g))
    found.push({ specifier: match[2]?.includes('${') ? undefined : match[2], isTypeOnly: false });
  for (const match of source.matchAll(/^\s*\/\/\/\s*<reference\s+(?:types|path)=(['"])([^'"\n]+)\1/gm))
    found.push({ specifier: match[2], isTypeOnly: true });
  return found;
}

/** True if the text uses the type `any`. Methods and properties of that name, such as `AbortSignal.any`, do not count. */
export function usesAny(source: string): boolean {
  return /(?<![.\w$])any\b(?!\s*\(|\??:)/.test(withoutStrings(source));
}

/** True if a file has a collective name, such as utils, instead of the name of its content. */
export function hasCollectiveName(path: string): boolean {
  return /(^|[/.-])(utils?|helpers?|types?|common|managers?)\.[cm]?[jt]sx?$/.test(path);
}
