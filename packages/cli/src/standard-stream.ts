/** The standard output and standard error of this process: how it writes to them, and how it ends with them. */
import { closeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { isatty, type WriteStream } from 'node:tty';
import { EXIT } from './failure.ts';

/** Ends a command whose reader closed the pipe early, as in `events | head`. Install it as a listener of `error`. */
export const exitAtClosedPipe = (error: NodeJS.ErrnoException): void => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(EXIT.ok);
};

/**
 * Makes writes to a stream return at once if its reader does not read. Pipes and sockets begin so, and terminals do not.
 * The mode belongs to the open file, which other processes share: each process that is started with the same stream makes
 * it block again. Files have no such mode. Node has no public method for it.
 */
export const setNonBlocking = (stream: WriteStream): void => {
  const { _handle: handle } = stream as { readonly _handle?: { setBlocking?(isBlocking: boolean): unknown } };
  handle?.setBlocking?.(false);
};

/** The longest time that the end of this process waits for the readers of its output, in milliseconds. */
let patienceMs = Number.POSITIVE_INFINITY;

let isSurviving = false;

/** From now on, the end of this process waits at most a second for the readers of its output. */
export const leaveStalledReaders = (): void => {
  patienceMs = 1_000;
};

/** Closes the terminals that went away. Node restores their modes when it exits, and aborts if that fails. */
const closeLostTerminals = (terminals: readonly number[]): void => {
  for (const fd of terminals) if (!isatty(fd)) closeSync(fd);
};

/**
 * Keeps a server independent of the readers of its output: they may close a pipe or a terminal or stop reading, and a
 * plugin may still print to it.
 */
export const surviveReaders = (): void => {
  if (isSurviving) return;
  isSurviving = true;
  const terminals = [0, 1, 2].filter((fd) => isatty(fd));
  process.on('exit', () => closeLostTerminals(terminals));
  leaveStalledReaders();
  process.stdout.off('error', exitAtClosedPipe);
  for (const stream of [process.stdout, process.stderr]) {
    setNonBlocking(stream);
    stream.on('error', () => {});
  }
};

/** Resolves when the readers of this process have taken all its output or have left. */
export const outputTaken = async (): Promise<void> => {
  const taken = [process.stdout, process.stderr].map(
    (stream) => new Promise((resolve) => stream.write('', resolve)),
  );
  const late = Number.isFinite(patienceMs) ? [delay(patienceMs, undefined, { ref: false })] : [];
  await Promise.race([Promise.all(taken), ...late]);
};
