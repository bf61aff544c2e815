/** One step of a job with the files of a log. Steps are plain values, so that a job can be sent to another thread. */
export type FileStep =
  | { readonly step: 'makeDirectory'; readonly path: string }
  | {
      readonly step: 'write';
      readonly path: string;
      readonly mode: 'write' | 'create' | 'replace';
      /** The length to which the file is cut first; null for no cut. */
      readonly cutAt: number | null;
      /** The offset of the first byte. In the mode `write`, a file that is not cut must reach up to it: else ENOENT. */
      readonly at: number;
      readonly chunks: readonly Uint8Array[];
    }
  | { readonly step: 'sync'; readonly path: string }
  | { readonly step: 'syncDirectory'; readonly path: string }
  /** Fails with ENOENT if the file is missing or shorter: it was moved away, replaced or cut. */
  | { readonly step: 'check'; readonly path: string; readonly leastBytes: number };

/** The steps of one log, in order. */
export type FileJob = readonly FileStep[];
