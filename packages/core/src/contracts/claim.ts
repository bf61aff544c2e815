export type ClaimMode = 'read' | 'write';

/** A resource that a Worker uses, named for people. The resource itself never leaves the process. */
export interface Claim {
  readonly name: string;
  /** `<scheme>:` and components behind slashes: `fs:/srv/docs`. What the components mean is the engine's business. */
  readonly resource: string;
  readonly mode: ClaimMode;
}
