import { type RuntimeClient, runtimeClient } from '@worker-runtime/client';
import { EXIT, type ExitCode, Failure, misuse } from './failure.ts';
import type { Output } from './output.ts';
import { printable } from './printable.ts';

/** What every client command is told. */
export interface ClientFlags {
  readonly url: string;
  /** WORKER_RUNTIME_TOKEN where it is left out: other users of the machine see what is on a command line. */
  readonly token: string | undefined;
  readonly json: boolean;
}

/** A client command's way to the runtime and to its reader. */
export class Session {
  readonly client: RuntimeClient;
  readonly isJson: boolean;
  readonly #output: Output;

  /** @throws Failure an address or a token that cannot be meant */
  constructor({ url, token = process.env.WORKER_RUNTIME_TOKEN, json }: ClientFlags, output: Output) {
    if (!URL.canParse(url) || !/^https?:\/\//.test(url))
      throw misuse(`--url must be an address such as http://127.0.0.1:8787, not "${url}"`);
    try {
      this.client = runtimeClient({ url, ...(token !== undefined && token !== '' && { token }) });
    } catch (error) {
      // the client never repeats a token
      throw misuse(error instanceof Error ? error.message : String(error));
    }
    this.isJson = json;
    this.#output = output;
  }

  /** The runtime's own answer for a program, the text for a person. */
  answer(body: unknown, forPeople: () => string): void {
    this.#output.print(this.isJson ? JSON.stringify(body) : printable(forPeople()));
  }

  /** One line of an answer that comes bit by bit. */
  line(forPrograms: string, forPeople: () => string): void {
    this.#output.print(this.isJson ? forPrograms : printable(forPeople()));
  }

  /** For a person only, and beside the answer. */
  remark(text: string): void {
    this.#output.remark(printable(text));
  }
}

/** The innermost reason: what the system said of a connection. */
const rootOf = (error: unknown): unknown => {
  if (error instanceof AggregateError) return rootOf(error.errors[0]);
  return error instanceof Error && error.cause !== undefined ? rootOf(error.cause) : error;
};

const reasonOf = (error: unknown): string => {
  const root = rootOf(error);
  return root instanceof Error ? root.message : String(root);
};

/** Whether there was no connection at all, so that nothing can have been done. */
export const isUnsent = (error: unknown): boolean => {
  const root = rootOf(error);
  return root instanceof Error && 'syscall' in root && /^(connect|getaddrinfo)$/.test(String(root.syscall));
};

interface Coded {
  readonly code: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly correlationId: string | null;
}

const isCoded = (error: unknown): error is Error & Coded =>
  error instanceof Error && 'code' in error && 'correlationId' in error;

/** Codes that are no refusal: an error of the server's own is a failure, a wrong engine a wrong call. */
const EXITS: Readonly<Record<string, ExitCode>> = { INTERNAL: EXIT.failed, ENGINE_UNKNOWN: EXIT.usage };

/** What can be done about a refusal. */
const wayOutOf = ({ code, details }: Coded): string => {
  const { workerId, engines, known = engines } = details;
  if (code === 'WORKER_STOPPED') return `; resume it: worker-runtime workers resume ${String(workerId)}`;
  if (code === 'WORKER_NOT_STOPPED')
    return `; stop it first: worker-runtime workers stop ${String(workerId)}`;
  // its message has them
  if (code === 'TOOL_UNKNOWN' || !Array.isArray(known)) return '';
  return `; there ${known.length === 1 ? 'is' : 'are'} ${known.join(', ') || 'none'}`;
};

/** An error of the client in words for a person, and with the exit code of its kind. */
export const failureOf = (error: unknown, url: string): unknown => {
  if (!isCoded(error)) return error;
  const { code, message, details, correlationId } = error;
  const options = { cause: error };
  if (code === 'RUNTIME_UNREACHABLE')
    return new Failure(EXIT.notReachable, `no runtime answers at ${url}: ${reasonOf(error)}`, options);
  if (code === 'VERSION_UNSUPPORTED' && correlationId === null)
    return new Failure(
      EXIT.failed,
      `the answer is ${String(details.status)} and not from a runtime: check --url`,
      options,
    );
  // the client's own finding: a runtime that is asked for by another name than its own would say so with an id
  if (code === 'RUNTIME_NOT_FOUND' && correlationId === null)
    return new Failure(EXIT.failed, `another runtime answers at ${url} now`, options);
  const text = `${code}: ${message}${correlationId === null ? '' : ` (${correlationId})`}${wayOutOf(error)}`;
  return new Failure(EXITS[code] ?? EXIT.refused, text, options);
};

/** Runs a client command. @throws Failure whatever the runtime, or its absence, made of it */
export const inSession = async (
  flags: ClientFlags,
  output: Output,
  act: (session: Session) => Promise<void>,
): Promise<void> => {
  const session = new Session(flags, output);
  try {
    await act(session);
  } catch (error) {
    throw failureOf(error, flags.url);
  }
};
