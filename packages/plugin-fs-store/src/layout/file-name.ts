import { hash } from 'node:crypto';

/** The longest encoded id. It leaves room for two of them in the 255 bytes that file systems allow for a name. */
const LONGEST = 160;
const PLAIN = /^[a-z0-9_-]$/;
/** Ids that are their own names, as most are. */
const UNCHANGED = /^[a-z0-9_-]{5,160}$/;
const RESERVED = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])$/;

const byteCode = (byte: number): string => `+1${byte.toString(16).padStart(2, '0')}`;

/**
 * Encodes an id as a file name. Lower-case letters, digits, `_` and `-` stay; `A` becomes `+a`; `.` becomes `+0`; any
 * other byte of its UTF-8 becomes `+1hh`. No two ids share a name, even if the file system ignores case, and no name is
 * reserved by Windows. A name that would be too long is its beginning, `+2` and the SHA-256 of the id instead.
 */
export const fileNameOf = (id: string): string => {
  if (UNCHANGED.test(id)) return id;
  let name = '';
  for (const char of id) {
    if (PLAIN.test(char)) name += char;
    else if (char >= 'A' && char <= 'Z') name += `+${char.toLowerCase()}`;
    else if (char === '.') name += '+0';
    else for (const byte of Buffer.from(char)) name += byteCode(byte);
  }
  if (RESERVED.test(name)) name = byteCode(name.charCodeAt(0)) + name.slice(1);
  if (name.length <= LONGEST) return name;
  return `${name.slice(0, 80)}+2${hash('sha256', id, 'hex')}`;
};

/** Decodes a file name to its id. Returns null for a shortened name, and for one that `fileNameOf` cannot produce. */
export const idOfFileName = (name: string): string | null => {
  const bytes: number[] = [];
  for (let at = 0; at < name.length; at += 1) {
    const char = name.charAt(at);
    if (PLAIN.test(char)) {
      bytes.push(char.charCodeAt(0));
      continue;
    }
    const mark = name.charAt(at + 1);
    if (char !== '+' || mark === '') return null;
    at += 1;
    if (mark >= 'a' && mark <= 'z') bytes.push(mark.toUpperCase().charCodeAt(0));
    else if (mark === '0') bytes.push(0x2e);
    else if (mark === '1' && /^[0-9a-f]{2}$/.test(name.slice(at + 1, at + 3))) {
      bytes.push(Number.parseInt(name.slice(at + 1, at + 3), 16));
      at += 2;
    } else return null;
  }
  const id = Buffer.from(bytes).toString();
  return fileNameOf(id) === name ? id : null;
};
