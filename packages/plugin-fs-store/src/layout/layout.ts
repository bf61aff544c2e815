import { join } from 'node:path';
import { fileNameOf } from './file-name.ts';

/** The version of the format that this store writes into `runtime.json`, segments and the catalog. */
export const FORMAT_VERSION = 1;
/** The version in `runtime.json` once a log was trimmed, so that a release which does not know bases refuses the store. */
export const TRIMMED_VERSION = 2;
export const FORMAT_NAME = 'worker-runtime-fs-store';

/** Returns the name of a log's directory. The log's id makes it unique; the Worker's id is there for people. */
export const directoryNameOf = (workerId: string, log: string): string =>
  `${fileNameOf(workerId)}.${fileNameOf(log)}`;

/** The paths in a store's directory. FORMAT.md draws them. */
export class Layout {
  readonly root: string;
  readonly identity: string;
  readonly catalog: string;
  readonly previousCatalog: string;
  readonly nextCatalog: string;
  readonly wal: string;
  readonly workers: string;
  readonly bases: string;
  readonly bundles: string;
  readonly blobs: string;
  readonly plugins: string;
  readonly incoming: string;
  readonly trash: string;
  readonly rescued: string;

  constructor(root: string) {
    this.root = root;
    this.identity = join(root, 'runtime.json');
    this.catalog = join(root, 'catalog.json');
    this.previousCatalog = join(root, 'catalog.previous.json');
    this.nextCatalog = join(root, 'catalog.next.json');
    this.wal = join(root, 'wal');
    this.workers = join(root, 'workers');
    this.bases = join(root, 'bases');
    this.bundles = join(root, 'bundles');
    this.blobs = join(root, 'blobs');
    this.plugins = join(root, 'plugins');
    this.incoming = join(root, 'incoming');
    this.trash = join(root, 'trash');
    this.rescued = join(root, 'rescued');
  }

  segment(number: number): string {
    return join(this.wal, `${String(number).padStart(8, '0')}.wal`);
  }

  bundle(digest: string): string {
    return join(this.bundles, `${fileNameOf(digest)}.json`);
  }

  blobsOf(log: string): string {
    return join(this.blobs, fileNameOf(log));
  }

  blob(log: string, name: string): string {
    return join(this.blobsOf(log), fileNameOf(name));
  }

  pluginState(name: string): string {
    return join(this.plugins, `${fileNameOf(name)}.json`);
  }

  worker(directory: string): string {
    return join(this.workers, directory);
  }
}

/** Returns the number in a segment's file name, or null for any other name. */
export const segmentNumberOf = (name: string): number | null => {
  const match = /^(\d{8,})\.wal$/.exec(name);
  return match ? Number(match[1]) : null;
};
