/** Write claims of two Workers conflict if they overlap. Read claims never conflict. */
export type ClaimMode = 'read' | 'write';

/** A resource that a Worker uses. Its `name` is public; the resource itself is private and never shown. */
export interface Claim {
  readonly name: string;
  /** `<scheme>:/` and components separated by slashes, such as `fs:/srv/docs`. Only the engine interprets them. */
  readonly resource: string;
  readonly mode: ClaimMode;
}
