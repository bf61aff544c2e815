import type { EngineOutput, JsonObject, JsonValue } from '@worker-runtime/core';
import { isObject } from '@worker-runtime/core/plugin-kit';

/**
 * A session id that cannot reveal paths of this machine. Other ids are not recorded, so their sessions cannot be
 * reopened.
 */
const SAFE_ID = /^[A-Za-z0-9._:-]{1,128}$/;

/**
 * Returns the output that records the id of an agent's session for the next execution, with the tokens that the session
 * has used so far if the agent reports totals.
 */
export const sessionRecord = (session: string, usage: JsonObject | null): readonly EngineOutput[] =>
  SAFE_ID.test(session) ? [{ type: 'record', value: { session, ...(usage && { usage }) } }] : [];

/** Returns the session id that was recorded last, or null if there is no such id. */
export const recordedSession = (recorded: JsonValue): string | null =>
  isObject(recorded) && typeof recorded.session === 'string' ? recorded.session : null;

/** Returns the recorded usage of a session, or null if there is none. */
export const recordedUsage = (recorded: JsonValue): JsonValue =>
  isObject(recorded) ? ((recorded.usage ?? null) as JsonValue) : null;
