/** The exit codes. They are a stable interface for programs that call this one. */
export const EXIT = { ok: 0, failed: 1, usage: 2, notReachable: 3, refused: 4 } as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** An expected failure. The message is all that a person needs, so the stack is not shown. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

/** Creates the failure for a wrong command line. The message says what would have been right. */
export const usageError = (message: string): Failure => new Failure(EXIT.usage, message);
