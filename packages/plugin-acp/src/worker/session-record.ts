import type { EngineOutput, JsonValue } from '@worker-runtime/core';

/** An id that says nothing of this machine; others are not kept, and their sessions begin anew. */
const HARMLESS = /^[A-Za-z0-9._:-]{1,128}$/;

/** Keeps the id of an agent's session where the next execution finds it. */
export const sessionRecord = (session: string): readonly EngineOutput[] =>
  HARMLESS.test(session) ? [{ type: 'record', value: { session } }] : [];

/** The session that was recorded last; null where none was. */
export const recordedSession = (recorded: JsonValue): string | null =>
  typeof recorded === 'object' &&
  recorded !== null &&
  'session' in recorded &&
  typeof recorded.session === 'string'
    ? recorded.session
    : null;
