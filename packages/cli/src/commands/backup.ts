import { resolve } from 'node:path';
import { writeArchive } from '@worker-runtime/core/archive';
import { ArchiveClient } from '../archive-client.ts';
import { archiveFacts, archiveFailure, archiveText } from '../archive-text.ts';
import type { ClientFlags } from '../client-command.ts';
import type { Output } from '../output.ts';

/** Writes everything that a running runtime keeps to a file. @throws Failure */
export const backup = async (
  flags: ClientFlags & { readonly file: string; readonly runtime: string | undefined },
  output: Output,
): Promise<void> => {
  const bytes = await new ArchiveClient(flags.url, flags.token, flags.runtime).bytes();
  try {
    const archive = await writeArchive(resolve(flags.file), bytes);
    output.print(
      flags.json ? JSON.stringify(archiveFacts(archive)) : `${flags.file}: ${archiveText(archive)}`,
    );
  } catch (error) {
    throw archiveFailure(error, flags.file);
  }
};
