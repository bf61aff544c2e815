import type { EventData, FilePart, JsonObject, JsonValue } from '@worker-runtime/core';

/** The id of a call as clients know it. An engine may use the same id in several runs. */
export const toolCallIdOf = (run: string | null | undefined, call: string): string => `${run ?? ''}:${call}`;

/** The type of the activity that shows a file of an answer. */
export const FILE_ACTIVITY = 'file';

/** Returns the description of a file. Its bytes are at the runtime, by the digest. */
export const fileOf = ({ digest, mediaType, sizeBytes, name }: FilePart): JsonObject => ({
  digest,
  mediaType,
  sizeBytes,
  ...(name !== undefined && { name }),
});

const textOf = (value: JsonValue): string => (typeof value === 'string' ? value : JSON.stringify(value));

type Result = Pick<EventData['tool.finished'], 'output' | 'error' | 'files' | 'denied'>;

/** Returns the message with the result of a call, without its role. */
export const resultOf = (
  toolCallId: string,
  { output = null, error, files, denied }: Result,
): {
  readonly id: string;
  readonly toolCallId: string;
  readonly content: string;
  readonly metadata?: JsonObject;
} => {
  const outcome = denied ? 'denied' : error === undefined ? null : 'error';
  const value = files === undefined ? output : { output, files: files.map(fileOf) };
  return {
    id: `${toolCallId}:result`,
    toolCallId,
    content: error ?? textOf(value),
    ...(outcome !== null && { metadata: { outcome } }),
  };
};
