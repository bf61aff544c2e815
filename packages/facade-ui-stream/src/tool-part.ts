import type { EventData, FilePart, JsonObject, JsonValue, OpenRequest } from '@worker-runtime/core';

/** The name of the tool that shows a request which belongs to no call. */
const QUESTION = 'question';

/** Returns the output of a call as clients get it: with its files, if it has some. */
export const outputOf = ({
  output = null,
  files,
}: Pick<EventData['tool.finished'], 'output' | 'files'>): JsonValue =>
  files === undefined ? output : { output, files: files.map(fileOf) };

/** Returns the description of a file. Its bytes are at the runtime, by the digest. */
export const fileOf = ({ digest, mediaType, sizeBytes, name }: FilePart): JsonObject => ({
  digest,
  mediaType,
  sizeBytes,
  ...(name !== undefined && { name }),
});

/** Returns the call that shows a request which belongs to no call. */
export const questionOf = ({
  requestId,
  prompt,
  options,
  schema,
}: OpenRequest): { readonly toolCallId: string; readonly toolName: string; readonly input: JsonObject } => ({
  toolCallId: requestId,
  toolName: QUESTION,
  input: {
    prompt,
    options: options.map(({ id, label, kind }) => ({ id, label, ...(kind !== undefined && { kind }) })),
    ...(schema !== null && { schema }),
  },
});
