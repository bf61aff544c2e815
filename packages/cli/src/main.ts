import { runCommandLine } from './command-line.ts';
import { EXIT } from './failure.ts';

// the reader of a pipe may close it early, as in `events | head`
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(EXIT.ok);
});

process.exitCode = await runCommandLine(process.argv.slice(2));
