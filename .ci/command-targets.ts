/** Finds the files, scripts and programs that a page names in its commands and its code spans, and that do not exist. */
import { existsSync, statSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { commandsOf } from './documented-commands.ts';
import { type Manifest, read, readJson, root, workspaces } from './repository.ts';

const isThere = (path: string): boolean => existsSync(join(root, path));
const isFolder = (path: string): boolean => isThere(path) && statSync(join(root, path)).isDirectory();

const hasScript = (folder: string, name: string): boolean =>
  isThere(`${folder}/package.json`) &&
  readJson<Manifest>(`${folder}/package.json`).scripts?.[name] !== undefined;

/** The titles of the tests in a source. */
const titlesIn = (source: string): string[] =>
  [...source.matchAll(/\btest(?:\.\w+)?\(\s*(['"`])(.*?)\1/g)].map(([, , title = '']) => title);

const fits = (title: string, pattern: string): boolean =>
  new RegExp(`^${pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`, 'i').test(title);

const isPath = (word: string): boolean => /^[\w./-]+\.(?:[cm]?[jt]s|md|json)$/.test(word);

/** Returns the missing targets of a call of ava in `folder`. */
function missingForAva(folder: string, words: readonly string[]): string[] {
  const files = words.filter(isPath).map((file) => normalize(join(folder, file)));
  const missing = files.filter((file) => !isThere(file));
  if (missing.length > 0) return missing;
  const titles = files.flatMap((file) => titlesIn(read(file)));
  return words
    .flatMap((word) => /^--match=(.*)$/.exec(word)?.[1] ?? [])
    .filter((pattern) => !titles.some((title) => fits(title, pattern)))
    .map((pattern) => `a test like "${pattern}"`);
}

/** Returns the missing targets of one simple command in `folder`. */
function missingFor(folder: string, command: string): string[] {
  const words = (command.match(/(?:'[^']*'|"[^"]*"|\S)+/g) ?? []).map((word) => word.replaceAll(/['"]/g, ''));
  const [program = '', first = '', second = ''] = words.filter((word) => !/^[A-Z_]+=/.test(word));
  const absent = (found: boolean, name: string): string[] => (found ? [] : [name]);
  if (program === 'cd') return absent(isFolder(first), first);
  if (program === 'npm') {
    if (first === 'ci' || first === 'install') return [];
    const script = first === 'run' ? second : first;
    return absent(hasScript(folder, script), `the script "${script}" in ${folder}`);
  }
  if (program === 'npx') {
    const missing = absent(
      isThere(`node_modules/.bin/${first}`) || isThere(`node_modules/${first}/package.json`),
      `the program "${first}"`,
    );
    return first === 'ava' ? [...missing, ...missingForAva(folder, words.slice(2))] : missing;
  }
  if (program === 'node' || program.startsWith('.ci/'))
    return words
      .filter((word) => isPath(word) || word.startsWith('.ci/'))
      .map((word) => normalize(join(folder, word)))
      .filter((word) => !isThere(word));
  return [`a rule for "${program}" in .ci/command-targets.ts`];
}

/** The number of fences before a line, which tells its block from the others. */
const blockOf = (page: string, line: number): number =>
  page
    .split('\n')
    .slice(0, line)
    .filter((text) => text.trimStart().startsWith('```')).length;

/** Each target of a page that does not exist, with the line that names it. */
export function missingTargets(page: string): string[] {
  const missing: string[] = [];
  let block = 0;
  let folder = '.';
  for (const { line, text } of commandsOf(page)) {
    // each block begins in the root
    if (blockOf(page, line) !== block) folder = '.';
    block = blockOf(page, line);
    for (const command of text.replace(/\s+#[^'"]*$/, '').split('&&')) {
      const found = missingFor(folder, command.trim());
      missing.push(...found.map((name) => `line ${line}: ${name}`));
      const [, to] = /^\s*cd (\S+)/.exec(command) ?? [];
      if (to !== undefined && found.length === 0) folder = normalize(join(folder, to));
    }
  }
  for (const [at, line] of page
    .replace(/^( *```+)\w*\n[\s\S]*?^\1$/gm, (all) => all.replace(/.+/g, ''))
    .split('\n')
    .entries())
    for (const [, span = ''] of line.matchAll(/`([^`]+)`/g)) {
      const [, script] = /^npm run ([\w:-]+)/.exec(span) ?? [];
      if (script !== undefined && !hasScript('.', script))
        missing.push(`line ${at + 1}: the script "${script}"`);
      const isNamed = isPath(span) && span.includes('/');
      if (isNamed && !workspaces().some((workspace) => isThere(`${workspace.folder}/${span}`)))
        missing.push(`line ${at + 1}: ${span}`);
    }
  return missing;
}
