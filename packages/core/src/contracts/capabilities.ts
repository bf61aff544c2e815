/** What an engine can do, from live facts: it may be a getter. What is left out is not there. */
export interface EngineCapabilities {
  readonly placement?: 'backendInternal' | 'localProcess' | 'remoteHost';
  readonly access?: {
    readonly filesystem?: boolean;
    readonly shell?: boolean;
    readonly git?: boolean;
    readonly worktree?: boolean;
  };
  /** Names of the tools that a Worker may be granted. */
  readonly tools?: readonly string[];
  /**
   * True if runs may wait for requests. Without it, `run.ask` rejects with OPERATION_UNSUPPORTED, so that a Worker never
   * waits for a request that its capabilities deny. `engine()` declares it unless other capabilities are passed.
   */
  readonly requests?: boolean;
  /** Whether Workers are attached as soon as the runtime runs, instead of with their next input. */
  readonly attachAtStart?: boolean;
}

/** What is possible, from live facts; the same shape for a runtime and, narrowed by its grants, for a Worker. */
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
  readonly operations: { readonly requests: boolean; readonly resume: boolean };
}

const ACCESS = ['filesystem', 'shell', 'git', 'worktree'] as const;
const PLACEMENTS = ['backendInternal', 'localProcess', 'remoteHost'] as const;

const merge = (engines: readonly EngineCapabilities[], tools: readonly string[]): Capabilities => ({
  placement: Object.fromEntries(
    PLACEMENTS.map((placement) => [placement, engines.some((engine) => engine.placement === placement)]),
  ) as Capabilities['placement'],
  access: Object.fromEntries(
    ACCESS.map((kind) => [kind, engines.some((engine) => engine.access?.[kind] === true)]),
  ) as Capabilities['access'],
  tools: { available: tools },
  operations: { requests: engines.some((engine) => engine.requests === true), resume: engines.length > 0 },
});

/** What is possible in a runtime with these engines now. */
export const runtimeCapabilities = (engines: readonly EngineCapabilities[]): Capabilities =>
  merge(engines, [...new Set(engines.flatMap((engine) => engine.tools ?? []))].sort());

/** What is possible for one Worker: what its engine can, if it is loaded, and of the tools only those granted by name. */
export const workerCapabilities = (
  engine: EngineCapabilities | undefined,
  granted: readonly string[],
): Capabilities => {
  const offered = new Set(engine?.tools);
  return merge(
    engine ? [engine] : [],
    granted.filter((tool) => offered.has(tool)),
  );
};
