/** Reads what matters out of a source file by its text: no compiler API is needed, and TypeScript 7 has none. */

// Strings come first in the pattern, so that `//` inside an address does not open a comment.
const token = /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;

export function withoutComments(source: string): string {
  return source.replace(token, (_, string: string | undefined) => string ?? ' ');
}

function withoutStrings(source: string): string {
  return source.replace(token, (_, string: string | undefined) => (string === undefined ? ' ' : "''"));
}

export interface Import {
  /** `undefined` when the source computes the name, so that no reader can tell what it loads. */
  readonly specifier: string | undefined;
  readonly isTypeOnly: boolean;
}

/** Static, dynamic, re-exporting, type-only and `require` imports of a source text. */
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

/** Whether the text uses the type `any`. A method or a property of that name (`AbortSignal.any`) is none. */
export function usesAny(source: string): boolean {
  return /(?<![.\w$])any\b(?!\s*\(|\??:)/.test(withoutStrings(source));
}

/** Whether a file is named after a drawer instead of after the one thing that it holds. */
export function isDrawer(path: string): boolean {
  return /(^|[/.-])(utils?|helpers?|types?|common|managers?)\.[cm]?[jt]sx?$/.test(path);
}
