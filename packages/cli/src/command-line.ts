import { readFileSync } from 'node:fs';
import { standardTerminal, type Terminal } from './attach/standard-terminal.ts';
import { EXIT, Failure } from './failure.ts';
import { type Output, standardOutput } from './output.ts';

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

/** Runs one command. Returns the exit code. */
export const runCommandLine = async (
  argv: readonly string[],
  output: Output = standardOutput,
  terminal: Terminal = standardTerminal,
): Promise<number> => {
  try {
    if (await answerWithoutYargs(argv, output)) return EXIT.ok;
    const { runCommand } = await import('./command-tree.ts');
    await runCommand(argv, versionOf(), output, terminal);
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    output.remark(`worker-runtime: ${error.message}`);
    return error.exitCode;
  }
};
