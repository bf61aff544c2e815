import { type FileHandle, open } from 'node:fs/promises';

const MAX_BYTES = 1_048_576;

/** The use of a file that is refused to users other than its owner. */
export type Protection = 'access' | 'write';

const FORBIDDEN_MODE: Readonly<Record<Protection, number>> = { access: 0o077, write: 0o022 };
/** A file of root may be readable by a group: a Secret of Kubernetes is, and only root can change its group. */
const FORBIDDEN_MODE_OF_ROOT: Readonly<Record<Protection, number>> = { access: 0o037, write: 0o022 };
const REMEDY: Readonly<Record<Protection, string>> = {
  access: 'is accessible to users other than its owner: run chmod 600',
  write: 'can be changed by users other than its owner: run chmod 644',
};

const openFile = async (path: string, refuse: (message: string) => Error): Promise<FileHandle> => {
  try {
    return await open(path, 'r');
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    throw refuse(`cannot be opened (${reason})`);
  }
};

/**
 * Reads a file that is a secret, or decides who may do what. The path is opened once, so that the checks apply to the bytes that are read.
 * `exposed` gets the message about a file that is not protected; without it, such a file is refused.
 * @throws the error that `refuse` returns: the file cannot be read, is too large, or is not protected
 */
export const readOwnedFile = async (
  path: string,
  protection: Protection,
  refuse: (message: string) => Error,
  exposed = (message: string): void => {
    throw refuse(message);
  },
): Promise<string> => {
  const file = await openFile(path, refuse);
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw refuse('is not a file');
    const isForeign = stat.uid === 0 && process.getuid?.() !== 0;
    const forbidden = (isForeign ? FORBIDDEN_MODE_OF_ROOT : FORBIDDEN_MODE)[protection];
    if (process.platform !== 'win32' && (stat.mode & forbidden) !== 0) exposed(REMEDY[protection]);
    if (stat.size > MAX_BYTES) throw refuse(`is larger than ${MAX_BYTES} bytes`);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
};
