import type { EventData } from '../contracts/event.ts';
import type { JsonObject } from '../contracts/json.ts';

/*
 * Estimates of the memory that values take. They count at least what V8 needs, so that a limit in bytes holds for any
 * content: a string takes no more than its UTF-8 encoding, and short values are dominated by their headers.
 */

const STRING_BYTES = 24;
const OBJECT_BYTES = 56;
const ITEM_BYTES = 16;

/** Estimates the memory of a JSON value, however deep it is. Costs the number of values in it. */
export const sizeOf = (value: unknown): number => {
  let bytes = 0;
  const rest: unknown[] = [value];
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    if (typeof next === 'string') bytes += STRING_BYTES + Buffer.byteLength(next);
    if (typeof next !== 'object' || next === null) continue;
    bytes += OBJECT_BYTES;
    for (const [key, item] of Object.entries(next)) {
      bytes += ITEM_BYTES;
      if (!Array.isArray(next)) bytes += STRING_BYTES + Buffer.byteLength(key);
      if (item !== undefined) rest.push(item);
    }
  }
  return bytes;
};

/** The size of a reference to a file, without its name. */
const FILE_PART_BYTES = 512;

/** The size of an input without its content: its entry in the state. */
const INPUT_BYTES = 512;

/** Estimates the memory that an input takes: the text and the metadata while its run is active, and its entry. */
export const sizeOfInput = ({
  parts,
  metadata,
}: Pick<EventData['input.accepted'], 'parts'> & { readonly metadata?: JsonObject | undefined }): number => {
  let bytes = INPUT_BYTES;
  for (const part of parts)
    bytes +=
      part.type === 'file'
        ? FILE_PART_BYTES + Buffer.byteLength(part.name ?? '')
        : OBJECT_BYTES + Buffer.byteLength(part.text);
  return metadata ? bytes + sizeOf(metadata) : bytes;
};
