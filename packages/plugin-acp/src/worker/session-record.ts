import type { EngineOutput, JsonValue } from '@worker-runtime/core';

/**
 * A session id that cannot reveal paths of this machine. Other ids are not recorded, so their sessions cannot be
 * reopened.
 */
const SAFE_ID = /^[A-Za-z0-9._:-]{1,128}$/;

/** Returns the output that records the id of an agent's session for the next execution. */
export const sessionRecord = (session: string): readonly EngineOutput[] =>
  SAFE_ID.test(session) ? [{ type: 'record', value: { session } }] : [];

/** Returns the session id that was recorded last, or null if there is no such id. */
export const recordedSession = (recorded: JsonValue): string | null =>
  typeof recorded === 'object' &&
  recorded !== null &&
  'session' in recorded &&
  typeof recorded.session === 'string'
    ? recorded.session
    : null;
