import { readOwnedFile } from '@worker-runtime/core/plugin-kit';
import { parseTokens, refuseTokens, TOKEN_FILE, type Token } from './token.ts';

/**
 * Reads the tokens of a file.
 * @throws INVALID_REQUEST the file cannot be read, is readable or writable by other users, or has invalid content
 */
export const readTokenFile = async (path: string): Promise<readonly Token[]> =>
  parseTokens(
    await readOwnedFile(path, 'access', (message) => refuseTokens(TOKEN_FILE, message)),
    TOKEN_FILE,
  );
