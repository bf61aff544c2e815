import { type FileHandle, open } from 'node:fs/promises';
import { parseTokens, refuseTokens, TOKEN_FILE, type Token } from './token.ts';

const MAX_BYTES = 1_048_576;

const openFile = async (path: string): Promise<FileHandle> => {
  try {
    return await open(path, 'r');
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    throw refuseTokens(TOKEN_FILE, `cannot be opened (${reason})`);
  }
};

/**
 * Reads the tokens of a file. The path is opened once, so that the checks apply to the bytes that are read.
 * @throws INVALID_REQUEST the file cannot be read, is readable or writable by other users, or has invalid content
 */
export const readTokenFile = async (path: string): Promise<readonly Token[]> => {
  const file = await openFile(path);
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw refuseTokens(TOKEN_FILE, 'is not a file');
    if (process.platform !== 'win32' && (stat.mode & 0o077) !== 0)
      throw refuseTokens(TOKEN_FILE, 'is accessible to users other than its owner: run chmod 600');
    if (stat.size > MAX_BYTES) throw refuseTokens(TOKEN_FILE, `is larger than ${MAX_BYTES} bytes`);
    return parseTokens(await file.readFile('utf8'), TOKEN_FILE);
  } finally {
    await file.close();
  }
};
