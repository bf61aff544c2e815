import type { EngineOutput, TranscriptItem } from '@worker-runtime/core';

/**
 * How the id of an agent's session is kept where a later execution finds it: in the log, as a call of this name. No
 * agent can make such a call: the prefix is taken off what an agent calls its tools.
 */
const SESSION = 'acp:session';

/** An id that says nothing of this machine; others are not kept, and their sessions begin anew. */
const HARMLESS = /^[A-Za-z0-9._:-]{1,128}$/;

export const sessionRecord = (call: string, session: string): readonly EngineOutput[] =>
  HARMLESS.test(session)
    ? [
        { type: 'tool-call', call, name: SESSION, input: {} },
        { type: 'tool-result', call, output: { session } },
      ]
    : [];

export const isSessionRecord = (name: string): boolean => name === SESSION;

/** The session that was recorded last, and whether anything was said at all. Reads the whole log, page by page. */
export const recordedSession = async (
  history: AsyncIterable<TranscriptItem>,
): Promise<{ readonly session: string | null; readonly isNew: boolean }> => {
  const records = new Set<string>();
  let session: string | null = null;
  let isNew = true;
  for await (const { parts } of history) {
    isNew = false;
    for (const part of parts) {
      if (part.type === 'tool-call' && isSessionRecord(part.name)) records.add(part.call);
      if (part.type !== 'tool-result' || !records.has(part.call)) continue;
      const { output } = part;
      if (typeof output === 'object' && output !== null && 'session' in output)
        session = typeof output.session === 'string' ? output.session : null;
    }
  }
  return { session, isNew };
};
