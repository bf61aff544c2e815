import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { dataFolder } from './data-folder.ts';

/** The address of the backend on this machine, and a token for programs of its user. */
export interface LocalAccess {
  readonly url: string;
  readonly token: string;
}

/** Reads the file that a backend with these files has written; null if none is there. */
export const readLocalAccess = (dataDir: string | undefined): LocalAccess | null => {
  const folder = dataDir === undefined ? dataFolder('backend', process.env) : join(dataDir, 'backend');
  try {
    const { url, token } = JSON.parse(
      readFileSync(join(folder, 'local.json'), 'utf8'),
    ) as Partial<LocalAccess>;
    return typeof url === 'string' && typeof token === 'string' ? { url, token } : null;
  } catch {
    return null;
  }
};
