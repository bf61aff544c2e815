import { runtimeClient } from '@worker-runtime/client';
import { DEFAULT_URL } from './definition/client-option.ts';

/** The commands whose next word is a Worker. */
const BEFORE_WORKER = new Set([
  'send',
  'attach',
  'events',
  'transcript',
  ...['show', 'stop', 'resume', 'cancel', 'delete'].map((name) => `workers ${name}`),
]);

/** A person who presses Tab does not wait for a runtime that is away. */
const PATIENCE_MS = 1_000;

/** The commands among words, and the options that name a runtime. */
const sorted = (words: readonly string[]) => {
  const options: Record<string, string> = {};
  const commands: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const [, name, inline] = /^--(url|token)(?:=(.*))?$/s.exec(words[at] ?? '') ?? [];
    if (name !== undefined) options[name] = inline ?? words[++at] ?? '';
    else if (words[at]?.startsWith('-') === false) commands.push(words[at] ?? '');
  }
  return { options, command: commands.join(' ') };
};

const workerIds = async (options: Readonly<Record<string, string>>): Promise<readonly string[]> => {
  const token = options.token ?? process.env.WORKER_RUNTIME_TOKEN ?? '';
  try {
    const client = runtimeClient({
      url: options.url ?? process.env.WORKER_RUNTIME_URL ?? DEFAULT_URL,
      timeoutMs: PATIENCE_MS,
      ...(token !== '' && { token }),
    });
    const { items } = await client.listWorkers({ limit: 1_000 });
    return items.map(({ workerId }) => workerId);
  } catch {
    // a shell shows nothing rather than an error in the middle of a line
    return [];
  }
};

/**
 * The Workers that a half-typed word may mean, where a shell asks for that; null where it asks for something else, which
 * yargs knows. yargs cannot be told Workers: while it waits for a promise it goes on and runs the command.
 */
export const completeWorker = async (argv: readonly string[]): Promise<readonly string[] | null> => {
  // the script of yargs asks with an option and the program's name, and then come the words
  const words = argv.slice(2);
  const word = words.pop() ?? '';
  const { options, command } = sorted(words);
  if (word.startsWith('-') || !BEFORE_WORKER.has(command)) return null;
  return (await workerIds(options)).filter((workerId) => workerId.startsWith(word));
};
