import { readFileSync } from 'node:fs';
import { standardTerminal, type Terminal } from './attach/standard-terminal.ts';
import { EXIT, Failure, unexpectedFailure } from './failure.ts';
import { type Output, standardOutput } from './output.ts';
import { printable } from './printable.ts';

const versionOf = (): string => {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return (manifest as { readonly version: string }).version;
};

/** Answers calls that do not need yargs, which takes longer to load than Node itself. Returns true if it answered. */
const answerWithoutYargs = async (argv: readonly string[], output: Output): Promise<boolean> => {
  if (argv.length === 1 && argv[0] === '--version') {
    output.print(versionOf());
    return true;
  }
  if (argv[0] !== '--get-yargs-completions') return false;
  const { completeWorker } = await import('./completion.ts');
  const workers = await completeWorker(argv);
  for (const workerId of workers ?? []) output.print(workerId);
  return workers !== null;
};

/** True if a command line asks for JSON. It is read before yargs, whose errors are JSON too then. */
const asksForJson = (argv: readonly string[]): boolean => {
  const options = argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv;
  return options.some(
    (option, at) => option === '--json=true' || (option === '--json' && options[at + 1] !== 'false'),
  );
};

/** Returns the output for a program: each line of standard error is one JSON object. */
const forPrograms = (output: Output): Output => ({
  print: (text) => output.print(text),
  remark: (text) => output.remark(JSON.stringify({ remark: text })),
  room: async (signal) => output.room?.(signal),
});

/** Runs one command. Returns the exit code. */
export const runCommandLine = async (
  argv: readonly string[],
  output: Output = standardOutput,
  terminal: Terminal = standardTerminal,
): Promise<number> => {
  const isJson = asksForJson(argv);
  try {
    if (await answerWithoutYargs(argv, output)) return EXIT.ok;
    const { runCommand } = await import('./command-tree.ts');
    await runCommand(argv, versionOf(), isJson ? forPrograms(output) : output, terminal);
    return EXIT.ok;
  } catch (error) {
    if (!isJson && !(error instanceof Failure)) throw error;
    const { exitCode, message, problem } = error instanceof Failure ? error : unexpectedFailure(error);
    output.remark(isJson ? JSON.stringify(problem) : printable(`worker-runtime: ${message}`));
    return exitCode;
  }
};
