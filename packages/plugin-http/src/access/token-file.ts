import { type FileHandle, open } from 'node:fs/promises';
import { parseTokens, refuseTokens, TOKEN_FILE, type Token } from './token.ts';

const MOST_BYTES = 1_048_576;

const openFile = async (path: string): Promise<FileHandle> => {
  try {
    return await open(path, 'r');
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    throw refuseTokens(TOKEN_FILE, `cannot be opened (${reason})`);
  }
};

/**
 * The tokens in a file. What is checked is what is read: the path is opened once.
 * @throws INVALID_REQUEST it cannot be read, others than its owner can, or its content does not fit
 */
export const readTokenFile = async (path: string): Promise<readonly Token[]> => {
  const file = await openFile(path);
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw refuseTokens(TOKEN_FILE, 'is not a file');
    if (process.platform !== 'win32' && (stat.mode & 0o077) !== 0)
      throw refuseTokens(TOKEN_FILE, 'is open to others than its owner: chmod 600');
    if (stat.size > MOST_BYTES) throw refuseTokens(TOKEN_FILE, `is larger than ${MOST_BYTES} bytes`);
    return parseTokens(await file.readFile('utf8'), TOKEN_FILE);
  } finally {
    await file.close();
  }
};
