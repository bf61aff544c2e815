/** What a program that calls this one may rely on. */
export const EXIT = { ok: 0, failed: 1, usage: 2, notReachable: 3, refused: 4 } as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** An end that was foreseen: its message is all that a person needs, so no stack is shown. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

/** A wrong call. The message names what would have been right. */
export const misuse = (message: string): Failure => new Failure(EXIT.usage, message);
