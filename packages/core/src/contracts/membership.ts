/** A process that serves the Runtimes of a cluster, as it shows itself to the others. */
export interface HostCard {
  /** The random id of this process. A process that starts again is another host. */
  readonly id: string;
  /** The name for operators, and for Runtimes that are pinned to it. */
  readonly name: string;
  /** The address at which other hosts reach it, such as `http://10.0.0.5:8787`. */
  readonly address: string;
  /** True if it hands over its Runtimes and claims none. */
  readonly isDraining: boolean;
}

export interface SeenHost extends HostCard {
  /** The number of its beats. A host that is alive increases it; the number itself means nothing. */
  readonly beat: number;
}

export interface SeenRuntime {
  /** The name that it was created with. */
  readonly name: string;
  readonly runtimeId: string;
  /** The id of the host that owns it; null if none does. */
  readonly host: string | null;
  /** Increases with each change of the owner. A store opens only under the current one. */
  readonly claim: number;
  /** The name of the only host that may own it; null if each may. */
  readonly pinnedTo: string | null;
  /** The id of the host that is to own it next; null if none is preferred. */
  readonly movingTo: string | null;
}

/** The hosts and the Runtimes of a cluster at one moment. */
export interface Sight {
  readonly hosts: readonly SeenHost[];
  readonly runtimes: readonly SeenRuntime[];
}

/**
 * The hosts and the Runtimes of a cluster, and which host owns which Runtime. Every method is one atomic step for all hosts. A step
 * whose answer is lost may have happened, and may still happen later: each host looks again and does what is missing.
 *
 * It decides who should serve a Runtime. That a former owner writes nothing is the task of the store, which opens under a claim and
 * refuses all others.
 */
export interface Membership {
  /** Adds one to the beat of a host, and its card if there is none. A drain that an operator has asked for stays. @throws STORE_UNAVAILABLE */
  beat(host: HostCard): Promise<void>;
  /** Returns the state of the cluster at one moment. @throws STORE_UNAVAILABLE */
  look(): Promise<Sight>;
  /**
   * Makes a host the owner of a Runtime and adds one to its claim, if owner and claim are as they were seen, and if the beat of that owner
   * is too. Returns false if something has changed. @throws STORE_UNAVAILABLE unknown whether it happened
   */
  claim(host: string, seen: SeenRuntime, ownerBeat: number | null): Promise<boolean>;
  /**
   * Ends the ownership of a Runtime and adds one to its claim, if owner and claim are as they were seen. `movingTo` is the host that is to
   * have it next. Returns false if something has changed. @throws STORE_UNAVAILABLE unknown whether it happened
   */
  release(seen: SeenRuntime, movingTo: string | null): Promise<boolean>;
  /** Removes the card of a host. With `beat`, only if its beat is that. @throws STORE_UNAVAILABLE */
  leave(host: string, beat?: number): Promise<void>;
  /** Makes a Runtime that hosts may own. One that exists is kept, and is pinned as asked. @throws STORE_UNAVAILABLE */
  create(name: string, pinnedTo: string | null): Promise<SeenRuntime>;
  /** Asks the owner of a Runtime to hand it over. Returns false if there is no such Runtime. @throws STORE_UNAVAILABLE */
  move(name: string, movingTo: string): Promise<boolean>;
  /** Asks a host to hand over its Runtimes and to claim none. Returns false if there is no such host. @throws STORE_UNAVAILABLE */
  drain(host: string): Promise<boolean>;
  /**
   * Calls back soon after Runtimes or hosts have changed, until `close`. A change may be missed, so a host also looks without it. Beats are
   * no change.
   */
  onChange?(callback: () => void): void;
  /** Ends the connections. */
  close(): Promise<void>;
}
