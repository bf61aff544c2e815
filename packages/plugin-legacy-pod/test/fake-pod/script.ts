/** The behaviour of a fake pod, read from the file that its command line names. */
export interface FakeScript {
  /** Decides the order between the two lanes. */
  readonly seed?: number;
  /** The steps of the model by the text of the input. Without an entry, the model echoes the input. */
  readonly runs?: Readonly<Record<string, readonly FakeStep[]>>;
  readonly alerts?: readonly string[];
  readonly switches?: FakeSwitches;
}

export interface FakeSwitches {
  readonly neverReady?: boolean;
  readonly readyWithoutSocket?: boolean;
  /** Exits before it is ready, with this text on standard error. */
  readonly exitBeforeReady?: string;
  readonly crashAfterReady?: boolean;
  /** Waits this long for background jobs when it shuts down. */
  readonly slowShutdownMs?: number;
  readonly losesShutdownEvent?: boolean;
  /** Ignores cancel, shutdown and SIGINT. */
  readonly ignoresEverything?: boolean;
  readonly compactsBeforeRunMs?: number;
  /** Forks its segment once, before the first run that continues a segment. */
  readonly forksBeforeRun?: boolean;
  /** Sends all clients the error of another client's rewind immediately before each run. */
  readonly refusesOthersBeforeRun?: boolean;
  /** Loses the first line that is longer than this. */
  readonly losesLinesOver?: number;
}

export type FakeStep =
  | { readonly text: string }
  /** Streams a block without finishing it. */
  | { readonly partial: string }
  | { readonly thinking: string }
  | {
      readonly tool: string;
      readonly input?: unknown;
      readonly summary?: string;
      readonly output?: string;
      readonly isError?: boolean;
      /** Waits before the result until this file exists. */
      readonly gate?: string;
    }
  | { readonly retry: true }
  | { readonly continuation: true }
  | { readonly error: string; readonly code?: string }
  | { readonly gate: string }
  /** Waits until it is cancelled or paused. */
  | { readonly hang: true }
  | { readonly compact: true }
  | { readonly alert: string }
  /** Starts a child pod with this name in this directory. */
  | { readonly spawn: string; readonly workspace: string }
  | { readonly limit: true }
  /** Sends this many deltas at once. */
  | { readonly flood: number }
  /** Answers with the first input of the conversation. */
  | { readonly recall: true }
  | { readonly die: true };
