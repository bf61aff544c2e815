import { runtimeClient } from '@worker-runtime/client';
import { tokenFor } from './client-command.ts';
import { DEFAULT_URL } from './definition/client-option.ts';

/** The commands that take a workerId as their next word. */
const BEFORE_WORKER = new Set([
  'send',
  'wait',
  'attach',
  'events',
  'transcript',
  'file',
  ...['show', 'fork', 'update', 'stop', 'resume', 'cancel', 'delete', 'archive'].map(
    (name) => `workers ${name}`,
  ),
]);

/** The time limit for the runtime's answer, so that Tab does not block the shell for long. */
const TIMEOUT_MS = 1_000;

/** Splits the words into the command and the options that select a runtime. */
const parseWords = (words: readonly string[]) => {
  const options: Record<string, string> = {};
  const commands: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const [, name, inline] = /^--(url|token|runtime)(?:=(.*))?$/s.exec(words[at] ?? '') ?? [];
    if (name !== undefined) options[name] = inline ?? words[++at] ?? '';
    else if (words[at]?.startsWith('-') === false) commands.push(words[at] ?? '');
  }
  return { options, command: commands.join(' ') };
};

const workerIds = async (options: Readonly<Record<string, string>>): Promise<readonly string[]> => {
  const url = options.url ?? process.env.WORKER_RUNTIME_URL ?? DEFAULT_URL;
  try {
    const token = tokenFor(url, options.token);
    const client = runtimeClient({
      url,
      timeoutMs: TIMEOUT_MS,
      ...(token !== undefined && token !== '' && { token }),
      ...(options.runtime !== undefined && { runtime: options.runtime }),
    });
    const { items } = await client.listWorkers({ limit: 1_000 });
    return items.map(({ workerId }) => workerId);
  } catch {
    // no completions rather than an error message in the middle of the command line
    return [];
  }
};

/**
 * Returns the ids of Workers that begin with the last word, or null if the last word is not a workerId and yargs can
 * complete it. yargs itself cannot complete Workers: while it waits for a promise, it runs the command.
 */
export const completeWorker = async (argv: readonly string[]): Promise<readonly string[] | null> => {
  // the script of yargs passes an option, the program's name and then the words
  const words = argv.slice(2);
  const word = words.pop() ?? '';
  const { options, command } = parseWords(words);
  if (word.startsWith('-') || !BEFORE_WORKER.has(command)) return null;
  return (await workerIds(options)).filter((workerId) => workerId.startsWith(word));
};
