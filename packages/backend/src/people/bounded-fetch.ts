import type { CustomFetch } from 'openid-client';

/** More than any answer of a provider has. The groups of a person are the largest part. */
const MAX_BYTES = 1_048_576;

/** Statuses whose answers have no body. */
const BODILESS: readonly number[] = [204, 205, 304];

/**
 * Works as `fetch`, but reads the whole answer, and throws a TypeError if it has more than 1 MiB after it was unpacked. The rest is then not
 * read.
 */
export const boundedFetch: CustomFetch = async (url, options) => {
  const { body, status, statusText, headers } = await fetch(url, options as RequestInit);
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of body ?? []) {
    bytes += piece.length;
    if (bytes > MAX_BYTES) throw new TypeError('The answer has more than 1 MiB');
    pieces.push(piece);
  }
  const whole = BODILESS.includes(status) ? null : Buffer.concat(pieces, bytes);
  return new Response(whole, { status, statusText, headers });
};
