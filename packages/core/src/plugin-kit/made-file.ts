import type { EngineContext, Notice } from '../contracts/engine.ts';
import { type FileDescription, type FilePart, fileNameOf, MEDIA_TYPE_PATTERN } from '../contracts/file.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';

import { isObject } from './shape.ts';

/** Bytes that a model, a tool, an agent or an editor made, and their description. */
export interface MadeFile extends FileDescription {
  readonly bytes: Uint8Array;
}

/** Returns a media type without parameters and in lower case, as a file can have it. Anything else counts as unknown bytes. */
export const mediaTypeOf = (value: unknown): string => {
  const type = typeof value === 'string' ? (value.split(';', 1)[0] ?? '').trim().toLowerCase() : '';
  return MEDIA_TYPE_PATTERN.test(type) ? type : 'application/octet-stream';
};

/** The media types that are text by their names. */
export const TEXT_MEDIA_TYPES: readonly string[] = [
  'text/*',
  'application/json',
  'application/xml',
  'application/yaml',
  'application/javascript',
];

/** Describes a file without its bytes: `[file chart.png, image/png, 2048 bytes]`. */
export const fileText = (
  { name, mediaType, sizeBytes }: Pick<FilePart, 'name' | 'mediaType' | 'sizeBytes'>,
  remark?: string,
): string => {
  const facts = [name, mediaType, `${sizeBytes} bytes`, remark];
  return `[file ${facts.filter((fact) => fact !== undefined).join(', ')}]`;
};

/**
 * Returns the file in a block of content, as the Model Context Protocol and the Agent Client Protocol have it: an image, audio,
 * or a resource with bytes. Returns null for any other block.
 */
export const fileInBlock = (block: unknown): MadeFile | null => {
  if (!isObject(block)) return null;
  const { type, data, mimeType } = block;
  const resource = isObject(block.resource) ? block.resource : {};
  const [base64, mediaType] = type === 'resource' ? [resource.blob, resource.mimeType] : [data, mimeType];
  const bytes = typeof base64 === 'string' ? Buffer.from(base64, 'base64') : Buffer.alloc(0);
  const name = typeof resource.uri === 'string' ? fileNameOf(resource.uri) : undefined;
  if (bytes.length === 0) return null;
  return { bytes, mediaType: mediaTypeOf(mediaType), ...(name !== undefined && { name }) };
};

/** The codes with which a file of an engine is refused, apart from failures of the store. */
const REFUSALS: ReadonlySet<string> = new Set(['INVALID_REQUEST', 'PAYLOAD_TOO_LARGE', 'LIMIT_REACHED']);

/**
 * Stores a file of an engine. Returns the reference to it, or a notice if the Worker can have no such file.
 * @throws STORE_FULL · STORE_UNAVAILABLE · EXECUTION_LOST
 */
export const keepFile = async (
  context: Pick<EngineContext, 'putFile'>,
  { bytes, ...description }: MadeFile,
): Promise<FilePart | Notice> => {
  try {
    return await context.putFile(bytes, description);
  } catch (error) {
    const { code, message } = RuntimeError.from(error);
    if (!REFUSALS.has(code)) throw error;
    return {
      type: 'notice',
      severity: 'warning',
      code: 'FILE_NOT_STORED',
      message: `A file was not stored: ${message}`,
    };
  }
};
