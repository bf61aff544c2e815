import type { JsonObject } from '@worker-runtime/core';
import { EditorSessions } from '../acp/editor-sessions.ts';
import { type ClientFlags, runClientCommand } from '../client-command.ts';
import { clientFailure } from '../client-failure.ts';
import { defined } from '../defined.ts';
import type { Output } from '../output.ts';

export interface AcpFlags extends ClientFlags {
  readonly engine: string;
  readonly tool: readonly string[] | undefined;
  readonly engineConfig: JsonObject | undefined;
  readonly claimFolder: 'read' | 'write' | undefined;
}

/** Serves the protocol over standard input and output until the editor closes them. The Workers remain. */
export const acp = (flags: AcpFlags, output: Output): Promise<void> =>
  runClientCommand(flags, output, async ({ client }) => {
    const { version } = await import('@worker-runtime/core');
    const { url, engine, tool, engineConfig, claimFolder } = flags;
    const sessions = new EditorSessions({
      client,
      worker: { engine, ...defined({ tools: tool, config: engineConfig }) },
      claimFolder,
      messageOf: (error) => {
        const failure = clientFailure(error, url);
        return failure instanceof Error ? failure.message : String(failure);
      },
      remark: (text) => output.remark(text),
    });
    await sessions.serve(version).closed.catch(() => {});
    await sessions.releaseFolders();
  });
