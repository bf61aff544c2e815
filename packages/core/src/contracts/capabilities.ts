/** The abilities of an engine. An ability that is absent is not available. */
export interface EngineCapabilities {
  /** The place where runs are executed. */
  readonly placement?: 'backendInternal' | 'localProcess' | 'remoteHost';
  /** The parts of the machine that runs can access. */
  readonly access?: {
    readonly filesystem?: boolean;
    readonly shell?: boolean;
    readonly git?: boolean;
    readonly worktree?: boolean;
  };
  /** The names of the tools that a Worker may be granted. */
  readonly tools?: readonly string[];
  /**
   * True if runs may wait for requests. Without it, `run.ask` rejects with OPERATION_UNSUPPORTED, so that a Worker
   * never waits for a request that its capabilities deny. `engine()` declares it unless other capabilities are
   * passed.
   */
  readonly requests?: boolean;
  /**
   * True if a later execution can continue a run that was interrupted: from `history()` and `run.openCalls` it finds what was
   * done, and it repeats no call whose effect is not known. Without it, a Worker cannot be created with
   * `whenInterrupted: "continue"`.
   */
  readonly continues?: boolean;
  /**
   * True if everything that a run needs from earlier ones is in the log, so that a Worker may begin with the history of another one.
   * `engine()` declares it unless other capabilities are passed.
   */
  readonly forks?: boolean;
  /**
   * The media types of the files that inputs may have, such as `image/png` or `text/*`. An input with another file is
   * refused with OPERATION_UNSUPPORTED. Without it, the engine takes no files.
   */
  readonly files?: readonly string[];
  /** True if Workers are attached when the runtime starts, instead of with their next input. */
  readonly attachAtStart?: boolean;
  /**
   * False if runs never call `history()`. Then first events of a Worker may be archived that its engine has not summarized. Without it, the
   * conversation after the last `HistoryStart` always stays, and all of it if there was none.
   */
  readonly readsHistory?: boolean;
}

/** The current abilities of a runtime or, limited to its engine and its granted tools, of one Worker. */
export interface Capabilities {
  readonly placement: {
    readonly backendInternal: boolean;
    readonly localProcess: boolean;
    readonly remoteHost: boolean;
  };
  readonly access: {
    readonly filesystem: boolean;
    readonly shell: boolean;
    readonly git: boolean;
    readonly worktree: boolean;
  };
  readonly tools: { readonly available: readonly string[] };
  /** The media types of the files that inputs may have, sorted. */
  readonly files: { readonly accepted: readonly string[] };
  readonly operations: {
    readonly requests: boolean;
    readonly resume: boolean;
    readonly continue: boolean;
    readonly fork: boolean;
  };
}

const merge = (engines: readonly EngineCapabilities[], tools: readonly string[]): Capabilities => {
  const isPlaced = (placement: keyof Capabilities['placement']): boolean =>
    engines.some((engine) => engine.placement === placement);
  const mayAccess = (kind: keyof Capabilities['access']): boolean =>
    engines.some((engine) => engine.access?.[kind] === true);
  // written out, because each read of a Worker makes one: objects with computed keys take ten times as long
  return {
    placement: {
      backendInternal: isPlaced('backendInternal'),
      localProcess: isPlaced('localProcess'),
      remoteHost: isPlaced('remoteHost'),
    },
    access: {
      filesystem: mayAccess('filesystem'),
      shell: mayAccess('shell'),
      git: mayAccess('git'),
      worktree: mayAccess('worktree'),
    },
    tools: { available: tools },
    files: { accepted: [...new Set(engines.flatMap((engine) => engine.files ?? []))].sort() },
    operations: {
      requests: engines.some((engine) => engine.requests === true),
      resume: engines.length > 0,
      continue: engines.some((engine) => engine.continues === true),
      fork: engines.some((engine) => engine.forks === true),
    },
  };
};

/** Combines the capabilities of all engines of a runtime. */
export const runtimeCapabilities = (engines: readonly EngineCapabilities[]): Capabilities =>
  merge(engines, [...new Set(engines.flatMap((engine) => engine.tools ?? []))].sort());

/**
 * Returns the capabilities of one Worker: those of its engine, if it is loaded, with only the granted tools. `files` are the
 * media types that its session takes, if it has one that limits them.
 */
export const workerCapabilities = (
  engine: EngineCapabilities | undefined,
  granted: readonly string[],
  files?: readonly string[],
): Capabilities => {
  const offered = new Set(engine?.tools);
  return merge(
    engine ? [files ? { ...engine, files } : engine] : [],
    granted.filter((tool) => offered.has(tool)),
  );
};
