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

/** Tells the items of a transcript, asked about in their order, that are such a record: the call, then its result. */
export const sessionRecords = (): ((item: TranscriptItem) => boolean) => {
  const calls = new Set<string>();
  return ({ parts }) =>
    parts.some((part) => {
      if (part.type === 'tool-call' && part.name === SESSION) calls.add(part.call);
      return (part.type === 'tool-call' || part.type === 'tool-result') && calls.has(part.call);
    });
};

/** The session that was recorded last, and whether anything was said at all. Reads the whole log, page by page. */
export const recordedSession = async (
  history: AsyncIterable<TranscriptItem>,
): Promise<{ readonly session: string | null; readonly isNew: boolean }> => {
  const isRecord = sessionRecords();
  let session: string | null = null;
  let isNew = true;
  for await (const item of history) {
    isNew = false;
    if (!isRecord(item)) continue;
    for (const part of item.parts) {
      const output = part.type === 'tool-result' ? part.output : null;
      if (typeof output === 'object' && output !== null && 'session' in output)
        session = typeof output.session === 'string' ? output.session : null;
    }
  }
  return { session, isNew };
};
