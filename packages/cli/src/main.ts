import { runCommandLine } from './command-line.ts';
import { exitAtClosedPipe, outputTaken } from './standard-stream.ts';

process.stdout.on('error', exitAtClosedPipe);

const code = await runCommandLine(process.argv.slice(2));
await outputTaken();
// without this, a timer or socket that a settings file left behind would keep the process
process.exit(code);
