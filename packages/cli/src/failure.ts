/** The exit codes. They are a stable interface for programs that call this one. */
export const EXIT = { ok: 0, failed: 1, usage: 2, notReachable: 3, refused: 4 } as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** An error for programs: the members that errors have in the HTTP API, without those of HTTP itself. */
export interface Problem {
  readonly code: string;
  readonly detail: string;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;
  /** The id that finds the cause in the log of the runtime. Null if no runtime answered. */
  readonly correlationId: string | null;
}

/** The codes of failures that neither a runtime nor a store reported. */
const OWN_CODES: Readonly<Record<ExitCode, string>> = {
  [EXIT.ok]: 'COMMAND_FAILED',
  [EXIT.failed]: 'COMMAND_FAILED',
  [EXIT.usage]: 'INVALID_REQUEST',
  [EXIT.notReachable]: 'RUNTIME_UNREACHABLE',
  [EXIT.refused]: 'COMMAND_FAILED',
};

type CodedError = Pick<Problem, 'code' | 'details' | 'retryable'> & Partial<Pick<Problem, 'correlationId'>>;

/** True for the errors of a runtime, a client or a store, and not for those of Node, which have codes too. */
const isCoded = (error: unknown): error is CodedError =>
  error instanceof Error && 'code' in error && 'details' in error && 'retryable' in error;

/** An expected failure. The message is all that a person needs, so the stack is not shown. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly exitCode: ExitCode;
  /** The same for programs. Its code is that of the cause, if that has one. */
  readonly problem: Problem;

  constructor(
    exitCode: ExitCode,
    message: string,
    { cause, ...given }: ErrorOptions & Partial<Problem> = {},
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.exitCode = exitCode;
    const {
      code,
      details,
      retryable,
      correlationId = null,
    } = isCoded(cause)
      ? cause
      : { code: OWN_CODES[exitCode], details: {}, retryable: exitCode === EXIT.notReachable };
    // a person reads the code in the message
    const detail = message.startsWith(`${code}: `) ? message.slice(code.length + 2) : message;
    this.problem = { code, detail, retryable, details, correlationId, ...given };
  }
}

/** Creates the failure for a wrong command line. The message says what would have been right. */
export const usageError = (message: string): Failure => new Failure(EXIT.usage, message);

/** Returns the failure for a fault of this program, or of a plugin, with the stack, which a program would lose otherwise. */
export const unexpectedFailure = (error: unknown): Failure => {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return new Failure(EXIT.failed, message, { code: 'INTERNAL', details: { stack } });
};
