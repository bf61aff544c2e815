import { RequestError } from '@agentclientprotocol/sdk';

/** The JSON-RPC error code for an error of the runtime or of a run that the protocol has no code for. */
export const RUNTIME_ERROR = -32_010;

/** The codes of errors that a change of the request or of the command line corrects. */
const INVALID = new Set([
  'INVALID_REQUEST',
  'PAYLOAD_TOO_LARGE',
  'CURSOR_INVALID',
  'CURSOR_FOREIGN',
  'CURSOR_EXPIRED',
  'CONFIG_UNSUPPORTED',
  'ENGINE_UNKNOWN',
  'TOOL_UNKNOWN',
  'PROFILE_INVALID',
  'OPERATION_UNSUPPORTED',
]);

const jsonRpcCode = (code: string | null): number => {
  if (code === null || code === 'INTERNAL') return RequestError.internalError().code;
  if (code === 'UNAUTHENTICATED') return RequestError.authRequired().code;
  return INVALID.has(code) ? RequestError.invalidParams().code : RUNTIME_ERROR;
};

/** Creates the error for an editor from a code of the runtime, which the data repeats. Null stands for another error. */
export const editorFailure = (code: string | null, message: string): RequestError =>
  new RequestError(jsonRpcCode(code), message, code === null ? undefined : { code });

/** Converts an error to one of the protocol. `messageOf` returns the message for people. */
export const toEditorFailure = (
  error: unknown,
  sessionId: string,
  messageOf: (error: unknown) => string,
): RequestError => {
  if (error instanceof RequestError) return error;
  const { code } = (error ?? {}) as { readonly code?: unknown };
  if (code !== 'WORKER_NOT_FOUND')
    return editorFailure(typeof code === 'string' ? code : null, messageOf(error));
  const { code: notFound, message } = RequestError.resourceNotFound(sessionId);
  return new RequestError(notFound, message, { uri: sessionId, code });
};
