import { isObject, refuse } from '@worker-runtime/core/plugin-kit';
import type { Exchange } from './openai-runtime.ts';
import { textAt } from './parameters.ts';

/** A part of an input: text, or the bytes of a file. */
export type InputContent =
  | { readonly type: 'text'; readonly text: string }
  | {
      readonly type: 'file';
      readonly mediaType: string;
      readonly name: string | null;
      readonly bytes: Uint8Array;
    };

const DATA_URL = /^data:([^;,]+);base64,([A-Za-z0-9+/]*={0,2})$/;

const fileAt = (url: unknown, name: unknown, pointer: string): InputContent => {
  const text = textAt(url, pointer);
  // a pattern would be slow on megabytes of other text
  const [, mediaType = '', base64 = ''] = (text.startsWith('data:') ? DATA_URL.exec(text) : null) ?? [];
  if (mediaType === '') return refuse(pointer, 'must be a data URL in Base64');
  return {
    type: 'file',
    mediaType,
    name: name === undefined || name === null ? null : textAt(name, pointer),
    bytes: Buffer.from(base64, 'base64'),
  };
};

const partAt = (part: unknown, pointer: string): InputContent => {
  if (!isObject(part)) return refuse(pointer, 'must be an object');
  switch (part.type) {
    case 'text':
    case 'input_text':
      return { type: 'text', text: textAt(part.text, `${pointer}/text`) };
    case 'input_image':
      return fileAt(part.image_url, undefined, `${pointer}/image_url`);
    case 'image_url': {
      const image = isObject(part.image_url) ? part.image_url.url : null;
      return fileAt(image, undefined, `${pointer}/image_url/url`);
    }
    case 'input_file':
      return fileAt(part.file_data, part.filename, `${pointer}/file_data`);
    case 'file': {
      const file = isObject(part.file) ? part.file : {};
      return fileAt(file.file_data, file.filename, `${pointer}/file/file_data`);
    }
    default:
      return refuse(`${pointer}/type`, 'must be a text, an image or a file');
  }
};

/** Returns the parts of a message: a text, or a list of texts, images and files. @throws INVALID_REQUEST */
export const contentAt = (content: unknown, pointer: string): readonly InputContent[] => {
  if (typeof content === 'string') return [{ type: 'text', text: textAt(content, pointer) }];
  if (!Array.isArray(content) || content.length === 0)
    return refuse(pointer, 'must be a text or a list of parts');
  return content.map((part, at) => partAt(part, `${pointer}/${at}`));
};

/** Matches keys that the runtime takes. */
const KEY = /^[\x21-\x7e]{1,255}$/;

/** Sends an input, with its files. A header `Idempotency-Key` makes it repeatable. @throws as `sendInput` and `putFile` */
export const sendContent = async (
  { runtime, call, request }: Exchange,
  workerId: string,
  content: readonly InputContent[],
) => {
  const parts = [];
  for (const part of content) {
    if (part.type === 'text') parts.push(part);
    else {
      const { bytes, mediaType, name } = part;
      parts.push(await runtime.putFile(workerId, bytes, { mediaType, ...(name !== null && { name }) }));
    }
  }
  const key = request.headers.get('idempotency-key');
  if (key !== null && !KEY.test(key))
    refuse('/Idempotency-Key', 'must have 1 to 255 printable ASCII characters');
  return runtime.sendInput(workerId, { parts }, { ...(key !== null && { idempotencyKey: key }), ...call });
};
