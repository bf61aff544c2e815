/**
 * A file by reference: a part of an input, of a message or of the result of a tool. The bytes are stored beside the log of
 * the Worker under their digest, and are never part of an event.
 */
export interface FilePart {
  readonly type: 'file';
  /** `sha256-` and the 64 hex digits of the SHA-256 of the bytes. */
  readonly digest: string;
  /** The media type that was given when the bytes were first stored, such as `image/png`. It never changes. */
  readonly mediaType: string;
  readonly sizeBytes: number;
  /** The name of the file for people, without a path. It belongs to this reference and not to the bytes. */
  readonly name?: string;
}

/** A file in a request: the digest of a file that was stored before. The runtime adds the type and the size. */
export type FileReference = Pick<FilePart, 'type' | 'digest' | 'name'> &
  Partial<Pick<FilePart, 'mediaType' | 'sizeBytes'>>;

/** The description of bytes to store. */
export interface FileDescription {
  /** A type and a subtype without parameters, such as `image/png`. Letters are stored in lower case. */
  readonly mediaType: string;
  /** At most 255 characters. Not a path. */
  readonly name?: string;
}

/** The bytes of a file. Do not change them: a store in memory shares them. */
export interface FileContent extends Pick<FilePart, 'digest' | 'mediaType' | 'sizeBytes'> {
  readonly bytes: Uint8Array;
}

/** The media types that can be stored. */
export const MEDIA_TYPE_PATTERN = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,63}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}$/;

/** The names that a file can have: no separators of paths, no control characters, not `.` and not `..`. */
export const FILE_NAME_PATTERN = /^(?!\.{1,2}$)[^/\\\p{Cc}\p{Zl}\p{Zp}]{1,255}$/u;

/** Returns the name of a file that a path or a URL ends with, as far as it can be one; undefined if nothing is left. */
export const fileNameOf = (path: string): string | undefined => {
  const [ownPath = ''] = path.toWellFormed().split(/[?#]/, 1);
  const last = ownPath.split(/[/\\]/).findLast((part) => part !== '') ?? '';
  const name = last
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, '')
    .slice(0, 255)
    .toWellFormed();
  return FILE_NAME_PATTERN.test(name) ? name : undefined;
};

/** True if the accepted types include a media type. An accepted type may have `*` as its subtype, or in both places. */
export const includesMediaType = (accepted: readonly string[], mediaType: string): boolean =>
  accepted.some(
    (type) =>
      type === mediaType ||
      type === '*/*' ||
      (type.endsWith('/*') && mediaType.startsWith(type.slice(0, -1))),
  );
