import { ERROR_CODES, payloadTooLarge, RuntimeError } from '../contracts/runtime-error.ts';
import { STATUS_OF } from './http-status.ts';

/** Returns the answer of a façade for an error: a problem of RFC 9457, without a foreign message. */
export const problemAnswer = (error: unknown): Response => {
  const { code, message: detail, retryable } = RuntimeError.from(error);
  const status = STATUS_OF[code];
  const { title } = ERROR_CODES[code];
  const type = `urn:worker-runtime:error:${code.toLowerCase().replaceAll('_', '-')}`;
  return new Response(JSON.stringify({ type, title, status, detail, code, retryable }), {
    status,
    headers: { 'content-type': 'application/problem+json' },
  });
};

/** Returns a name of a path, decoded. @throws ROUTE_NOT_FOUND no name has this form */
export const decodedName = (name: string): string => {
  try {
    if (name !== '') return decodeURIComponent(name);
  } catch {
    // not the encoding of any text
  }
  throw new RuntimeError('ROUTE_NOT_FOUND');
};

/** Reads the body of a request as JSON. @throws PAYLOAD_TOO_LARGE · INVALID_REQUEST */
export const jsonBody = async ({ body }: Request, bodyBytes: number): Promise<unknown> => {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  if (body)
    for await (const piece of body) {
      bytes += piece.length;
      if (bytes > bodyBytes) throw payloadTooLarge('bodyBytes', bodyBytes);
      pieces.push(piece);
    }
  try {
    // a byte order mark is left out; other bytes would be replaced without a word, and stored so
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(pieces)));
  } catch {
    throw refusal('', 'must be JSON in UTF-8');
  }
};

/** Creates an INVALID_REQUEST error about the part of a body at a JSON pointer. */
export const refusal = (pointer: string, message: string): RuntimeError =>
  new RuntimeError('INVALID_REQUEST', `${pointer || 'The body'} ${message}`, {
    details: { issues: [{ pointer, message }] },
  });
