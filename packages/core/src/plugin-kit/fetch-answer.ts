import { payloadTooLarge, RuntimeError } from '../contracts/runtime-error.ts';
import type { Serving } from './facade-plugin.ts';
import { allowOf, PROBLEM_TYPE, problemOf } from './problem.ts';

/** Returns the answer of a façade for an error: a problem of RFC 9457, without a foreign message. */
export const problemAnswer = (cause: unknown): Response => {
  const error = RuntimeError.from(cause);
  const problem = problemOf(error);
  const headers = { 'content-type': PROBLEM_TYPE, ...allowOf(error) };
  return new Response(JSON.stringify(problem), { status: problem.status, headers });
};

/** Returns a name of a path, decoded. @throws ROUTE_NOT_FOUND no name has this form */
export const decodedName = (name: string): string => {
  try {
    return decodeURIComponent(name);
  } catch (cause) {
    throw new RuntimeError('ROUTE_NOT_FOUND', undefined, { cause });
  }
};

/**
 * Returns the parts of a path of a façade, whose routes end with `$`. They are all of the path below the mount of a server. A program may serve
 * the façade below any path, so there they are the end of the path. @throws ROUTE_NOT_FOUND no route has this path
 */
export const routeIn = (routes: RegExp, { url }: Request, { path }: Serving): RegExpExecArray => {
  const found = routes.exec(new URL(url).pathname);
  if (found === null || (path !== undefined && decodedName(found[0]) !== path))
    throw new RuntimeError('ROUTE_NOT_FOUND');
  return found;
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
    return refuse('', 'must be JSON in UTF-8');
  }
};

/** @throws INVALID_REQUEST always, about the part of a body at a JSON pointer */
export const refuse = (pointer: string, message: string): never => {
  throw new RuntimeError('INVALID_REQUEST', `${pointer || 'The body'} ${message}`, {
    details: { issues: [{ pointer, message }] },
  });
};
