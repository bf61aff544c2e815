import type { EventData } from '@worker-runtime/core';

type Part = EventData['message.completed']['parts'][number] | EventData['input.accepted']['parts'][number];

/** The part in the form of the conventions. Bytes and addresses of files stay where they are. */
const partOf = (part: Part): object =>
  part.type === 'file'
    ? { type: 'file', mime_type: part.mediaType, ...(part.name !== undefined && { name: part.name }) }
    : { type: part.type, content: part.text };

/** Returns a message as the JSON text of `gen_ai.input.messages` and `gen_ai.output.messages`. */
export const messageContent = (role: string, parts: readonly Part[]): string =>
  JSON.stringify([{ role, parts: parts.map(partOf) }]);
