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

/** Returns the content type of an answer with a file. */
export const servedTypeOf = (mediaType: string): string => {
  if (mediaType === 'text/plain') return 'text/plain; charset=utf-8';
  return SHOWN_TYPES.includes(mediaType) ? mediaType : BYTES_TYPE;
};
