/** A system that stores the jobs of this comparison. */
export interface Peer {
  readonly id: string;
  readonly what: string;
  /** Makes sure that its programs are there. Returns the reason why they are not, or null. */
  prepare(): Promise<string | null>;
  /** Starts it with an empty store. It may keep files in the folder. */
  start(folder: string): Promise<RunningPeer>;
}

export interface RunningPeer {
  /** The versions of its parts, as they report them. */
  readonly version: string;
  /**
   * Stores an input, works on it and returns the output, after three durable commits that depend on each other: the input, the output,
   * and the end of the job.
   */
  job(client: number, job: number, input: string): Promise<string>;
  /** Reads the outputs of a number of jobs of a client from what is stored, oldest first. */
  stored(client: number, jobs: number): Promise<readonly string[]>;
  stop(): Promise<void>;
}
