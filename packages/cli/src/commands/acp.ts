import type { JsonObject } from '@worker-runtime/core';
import { EditorSessions } from '../acp/editor-sessions.ts';
import { type ClientFlags, failureOf, inSession } from '../client-command.ts';
import { said } from '../defined.ts';
import type { Output } from '../output.ts';

export interface AcpFlags extends ClientFlags {
  readonly engine: string;
  readonly tool: readonly string[] | undefined;
  readonly engineConfig: JsonObject | undefined;
  readonly claimFolder: 'read' | 'write' | undefined;
}

/** Speaks the protocol over standard input and output until the editor closes them. Its Workers stay. */
export const acp = (flags: AcpFlags, output: Output): Promise<void> =>
  inSession(flags, output, async ({ client }) => {
    const { version } = await import('@worker-runtime/core');
    const { url, engine, tool, engineConfig, claimFolder } = flags;
    const sessions = new EditorSessions({
      client,
      worker: { engine, ...said({ tools: tool, config: engineConfig }) },
      claimFolder,
      wordsOf: (error) => {
        const failure = failureOf(error, url);
        return failure instanceof Error ? failure.message : String(failure);
      },
    });
    await sessions.serve(version).closed.catch(() => {});
    await sessions.leave();
  });
