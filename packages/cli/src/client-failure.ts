import { EXIT, type ExitCode, Failure } from './failure.ts';

/** Returns the innermost cause: what the system reported about a connection. */
const rootCauseOf = (error: unknown): unknown => {
  if (error instanceof AggregateError) return rootCauseOf(error.errors[0]);
  return error instanceof Error && error.cause !== undefined ? rootCauseOf(error.cause) : error;
};

const reasonOf = (error: unknown): string => {
  const cause = rootCauseOf(error);
  return cause instanceof Error ? cause.message : String(cause);
};

/** The message of fetch for a port of another protocol, to which it does not connect. */
const BAD_PORT = 'bad port';

/** True if no connection was made, so that the runtime cannot have executed the call. */
export const isUnsent = (error: unknown): boolean => {
  const cause = rootCauseOf(error);
  if (!(cause instanceof Error)) return false;
  return (
    cause.message === BAD_PORT ||
    ('syscall' in cause && /^(connect|getaddrinfo)$/.test(String(cause.syscall)))
  );
};

interface CodedError {
  readonly code: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly correlationId: string | null;
}

/** True for an error of the client: of a runtime, or of the way to it. */
export const isFromClient = (error: unknown): error is Error & CodedError =>
  error instanceof Error && 'code' in error && 'correlationId' in error;

/** Codes that do not count as refusals: an internal error is a failure, and an unknown engine is a usage error. */
const EXITS: Readonly<Record<string, ExitCode>> = { INTERNAL: EXIT.failed, ENGINE_UNKNOWN: EXIT.usage };

/** True for a failure of OpenSSL that is no fault of a certificate: the other side does not speak TLS, or not this one. */
const isWithoutTls = (cause: unknown): boolean =>
  cause instanceof Error && 'code' in cause && String(cause.code).startsWith('ERR_SSL_');

/** Returns what the caller can do about a refusal. */
const adviceOf = ({ code, details }: CodedError): string => {
  const { workerId, engines, known = engines, limit, value } = details;
  if (code === 'WORKER_STOPPED') return `; resume it with: worker-runtime workers resume ${String(workerId)}`;
  if (code === 'WORKER_NOT_STOPPED')
    return `; stop it first with: worker-runtime workers stop ${String(workerId)}`;
  if (code === 'WORKER_BUSY') return '; add --queue to wait for the end of that run';
  if (code === 'UNAUTHENTICATED')
    return '; set WORKER_RUNTIME_TOKEN, or get a token from a backend with: worker-runtime login';
  if (code === 'ROUTE_NOT_FOUND') return '; check --url';
  if (code === 'RUNTIME_NOT_FOUND') return '; if the address has several runtimes, name one with --runtime';
  if (typeof limit === 'string' && typeof value === 'number') return `; ${limit} is ${value}`;
  // the message of TOOL_UNKNOWN lists the tools itself
  if (code === 'TOOL_UNKNOWN' || !Array.isArray(known)) return '';
  return `; available: ${known.join(', ') || 'none'}`;
};

/** Says that there is no runtime, or which part of its answer is missing. */
const unreachableText = (error: Error, url: string): string => {
  if (isUnsent(error)) return `no runtime answers at ${url}: ${reasonOf(error)}`;
  if (isWithoutTls(rootCauseOf(error)))
    return `no TLS connection to ${url} is possible; if its server does not use TLS, the address begins with http://`;
  return `${error.message} (${url}${error.cause === undefined ? '' : `: ${reasonOf(error)}`})`;
};

/** Turns an error of the client into a failure with a message for people and the exit code of its kind. */
export const clientFailure = (error: unknown, url: string): unknown => {
  if (!isFromClient(error)) return error;
  const { code, message, details, correlationId } = error;
  const options = { cause: error };
  if (code === 'RUNTIME_UNREACHABLE')
    return new Failure(EXIT.notReachable, unreachableText(error, url), options);
  if (code === 'VERSION_UNSUPPORTED' && correlationId === null)
    return new Failure(
      EXIT.failed,
      `the server at ${url} is not a runtime (it answered with ${String(details.status)}); check --url`,
      options,
    );
  // without a correlation id, the client found this out itself: a stream met another runtime than it began with
  if (code === 'RUNTIME_NOT_FOUND' && correlationId === null)
    return new Failure(EXIT.failed, `another runtime answers at ${url} now`, options);
  const advice = adviceOf(error);
  const text = `${code}: ${message}${correlationId === null ? '' : ` (${correlationId})`}${advice}`;
  return new Failure(EXITS[code] ?? EXIT.refused, text, { ...options, detail: message + advice });
};
