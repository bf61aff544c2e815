import { type ClientFlags, runClientCommand } from '../client-command.ts';
import { writeNewFile } from '../local-file.ts';
import type { Output } from '../output.ts';

/** Writes a file of a Worker to a new file of this machine. */
export const file = (
  flags: ClientFlags & { readonly worker: string; readonly digest: string; readonly output: string },
  output: Output,
): Promise<void> =>
  runClientCommand(flags, output, async (command) => {
    const { worker, digest, output: path } = flags;
    const { bytes, ...content } = await command.client.getFile(worker, digest);
    await writeNewFile(path, bytes);
    command.answer(content, () => `${path}: ${content.mediaType}, ${content.sizeBytes} bytes`);
  });
