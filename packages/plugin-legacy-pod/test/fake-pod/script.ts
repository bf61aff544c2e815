/** What a fake pod does, from the file that its command line names. */
export interface FakeScript {
  /** Decides how the two lanes are mixed. */
  readonly seed?: number;
  /** By the text of the input, what the model does; otherwise it says the input back. */
  readonly runs?: Readonly<Record<string, readonly FakeStep[]>>;
  readonly alerts?: readonly string[];
  readonly switches?: FakeSwitches;
}

export interface FakeSwitches {
  readonly neverReady?: boolean;
  readonly readyWithoutSocket?: boolean;
  /** Ends before it is ready, with this on standard error. */
  readonly exitBeforeReady?: string;
  readonly crashAfterReady?: boolean;
  /** Joins background jobs for so long when it shuts down. */
  readonly slowShutdownMs?: number;
  readonly losesShutdownEvent?: boolean;
  /** Cancel, shutdown and SIGINT do nothing. */
  readonly ignoresEverything?: boolean;
  readonly compactsBeforeRunMs?: number;
  /** Goes on in a fork of its segment when it is asked the next time. */
  readonly forksBeforeRun?: boolean;
  /** Answers another client, who wanted to rewind, when it was just asked to run. All clients are told. */
  readonly refusesOthersBeforeRun?: boolean;
  /** A line longer than this is lost once. */
  readonly losesLinesOver?: number;
}

export type FakeStep =
  | { readonly text: string }
  /** A block that is streamed and not finished. */
  | { readonly partial: string }
  | { readonly thinking: string }
  | {
      readonly tool: string;
      readonly input?: unknown;
      readonly summary?: string;
      readonly output?: string;
      readonly isError?: boolean;
      /** Waits before its result, until this file is there. */
      readonly gate?: string;
    }
  | { readonly retry: true }
  | { readonly continuation: true }
  | { readonly error: string; readonly code?: string }
  | { readonly gate: string }
  /** Until cancelled or paused. */
  | { readonly hang: true }
  | { readonly compact: true }
  | { readonly alert: string }
  /** Starts a child pod of this name in this directory. */
  | { readonly spawn: string; readonly workspace: string }
  | { readonly limit: true }
  /** So many deltas at once. */
  | { readonly flood: number }
  /** Says what the first input of the conversation was. */
  | { readonly recall: true }
  | { readonly die: true };
