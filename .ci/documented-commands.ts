/**
 * Turns the ```sh blocks of a page into one bash script. Other blocks (```console, ```json) are not run.
 * With a page as its argument, it prints the script. `.ci/readme` defines `step`, `skip` and `serve`, and runs it.
 */
import { spawnSync } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import { read } from './repository.ts';

export interface DocumentedCommand {
  /** The line of the page, counted from 1. */
  readonly line: number;
  readonly text: string;
}

/** Commands that are steps of `.ci/run`. To run them inside of a step would take minutes, or would not end. */
const steps = new Set(['npm ci', 'npm test', 'npm run test:long', 'npm run check', '.ci/run']);

/** True if bash would wait for more input: an open quote, a backslash at the end, a loop without `done`. */
const isUnfinished = (text: string): boolean =>
  text.endsWith('\\') || spawnSync('bash', ['-n'], { input: `${text}\n` }).status !== 0;

/** The commands of a page, in order. A command may span several lines. */
export function commandsOf(page: string): DocumentedCommand[] {
  const commands: DocumentedCommand[] = [];
  let fence: string | null = null;
  let open: DocumentedCommand | null = null;
  for (const [at, line] of page.split('\n').entries()) {
    const mark = /^\s*(```+)\s*(.*)$/.exec(line);
    if (mark !== null && (fence === null || mark[2] === '')) {
      if (open !== null)
        throw new SyntaxError(`line ${open.line}: the command is not complete: ${open.text}`);
      fence = fence === null ? (mark[2] ?? '') : null;
      continue;
    }
    if (fence !== 'sh' || (open === null && /^\s*(#.*)?$/.test(line))) continue;
    const command: DocumentedCommand =
      open === null ? { line: at + 1, text: line } : { line: open.line, text: `${open.text}\n${line}` };
    open = isUnfinished(command.text) ? command : null;
    if (open === null) commands.push(command);
  }
  return commands;
}

const withoutRemark = (text: string): string => text.replace(/\s+#[^'"]*$/, '').trim();
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** Returns the lines of the script for a command. */
export function scripted(page: string, { line, text }: DocumentedCommand): string {
  const command = withoutRemark(text);
  const place = `${page}:${line}`;
  if (steps.has(command)) return `skip ${quoted(place)} ${quoted(command)}`;
  // a person runs a server in one terminal, and the next commands in another one
  if (command === 'npm start' || /\bworker-runtime\b.*\sserve\b/s.test(command))
    return `serve ${quoted(place)} ${quoted(command.replace(/\s*&$/, ''))}`;
  return `step ${quoted(place)} ${quoted(command)}\n${text}`;
}

const [, program, page] = process.argv;
if (page !== undefined && program !== undefined && import.meta.url === pathToFileURL(program).href)
  console.log(
    commandsOf(read(page))
      .map((command) => scripted(page, command))
      .join('\n'),
  );
