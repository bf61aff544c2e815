import { resolve } from 'node:path';
import { writeArchive } from '@worker-runtime/core/archive';
import { archiveFacts, archiveFailure, archiveText } from '../archive-text.ts';
import { type ClientFlags, runClientCommand } from '../client-command.ts';
import type { Output } from '../output.ts';

/** Writes everything that a running runtime keeps to a file. @throws Failure */
export const backup = (flags: ClientFlags & { readonly file: string }, output: Output): Promise<void> =>
  runClientCommand(flags, output, async (command) => {
    try {
      const archive = await writeArchive(resolve(flags.file), command.archives.open());
      command.answer(archiveFacts(archive), () => `${flags.file}: ${archiveText(archive)}`);
    } catch (error) {
      throw archiveFailure(error, flags.file);
    }
  });
