/**
 * The media types that are served as themselves: what a browser may show without running anything. Every other file is served
 * as bytes, because a type such as HTML or SVG would be a program in the origin of this server.
 */
export const SHOWN_TYPES: readonly string[] = [
  'image/png',
  'image/jpeg',
  'image/gif',
  'image/webp',
  'image/avif',
  'audio/mpeg',
  'audio/wav',
  'audio/ogg',
  'audio/webm',
  'video/mp4',
  'video/webm',
  'application/pdf',
  'text/plain',
];

/** The type of all other files. */
export const BYTES_TYPE = 'application/octet-stream';

const servedTypeOf = (mediaType: string): string => {
  if (mediaType === 'text/plain') return 'text/plain; charset=utf-8';
  return SHOWN_TYPES.includes(mediaType) ? mediaType : BYTES_TYPE;
};

/** Blocks everything, for a browser that shows a file although it is an attachment. */
const POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox";

/** The most files that one server reads at once. Each may have `fileBytes`. */
export const FILES_AT_ONCE = 4;

/** Returns the headers of an answer with a file. No file is a program or a page in the origin of the server. */
export const fileHeaders = (mediaType: string): Readonly<Record<string, string>> => ({
  'content-type': servedTypeOf(mediaType),
  'content-disposition': 'attachment',
  'content-security-policy': POLICY,
  'cross-origin-resource-policy': 'same-site',
  'file-media-type': mediaType,
});
