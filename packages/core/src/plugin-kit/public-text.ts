import { ERROR_CODES, RuntimeError } from '../contracts/runtime-error.ts';

/** The size limit of a public message, reason or name that an engine reports, in bytes of UTF-8. */
const PUBLIC_TEXT_BYTES = 4_096;

/** Shortens a public text to at most `PUBLIC_TEXT_BYTES`, at the end of a character. */
export const publicText = (text: string): string => {
  // a UTF-16 unit has at most three bytes
  if (text.length * 3 <= PUBLIC_TEXT_BYTES) return text;
  const bytes = Buffer.from(text.slice(0, PUBLIC_TEXT_BYTES + 1));
  if (bytes.length <= PUBLIC_TEXT_BYTES) return text;
  let end = PUBLIC_TEXT_BYTES;
  while (end > 0 && ((bytes[end] as number) & 0xc0) === 0x80) end -= 1;
  return bytes.toString('utf8', 0, end);
};

/** Returns an error of an engine with a public message of bounded size. The given error becomes the cause. */
export const publicError = (error: RuntimeError): RuntimeError => {
  const { code, message, details } = error;
  // an error of another copy of the package may hold anything
  const shown = typeof message === 'string' ? publicText(message) : ERROR_CODES[code].title;
  return shown === message ? error : new RuntimeError(code, shown, { details, cause: error });
};
