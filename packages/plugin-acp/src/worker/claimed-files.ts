import { constants } from 'node:fs';
import { type FileHandle, open, readlink, stat } from 'node:fs/promises';
import { RequestError } from '@agentclientprotocol/sdk';
import type { Claim, ClaimMode } from '@worker-runtime/core';
import { type AllowedRoots, claimedPath, isPathInside } from '@worker-runtime/core/plugin-kit';

const refused = (): RequestError =>
  RequestError.invalidParams(undefined, 'The path is outside the claims of this agent');

/**
 * Refuses an open file that is not at the path that was checked, because a directory on the way was replaced by a link
 * in between. Only Linux tells the path of an open file.
 */
const assertOpened = async (file: FileHandle, path: string): Promise<void> => {
  const opened = await readlink(`/proc/self/fd/${file.fd}`).catch(() => null);
  if (opened !== null && opened !== path) throw refused();
};

/** Opens a file inside a claim. @throws RequestError the file or its folder does not exist */
const opened = async (path: string, real: string, flags: number): Promise<FileHandle> => {
  try {
    return await open(real, flags | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    // Agents that create files ask first whether there is one, and expect this code.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw RequestError.resourceNotFound(path);
    throw error;
  }
};

/**
 * The files that an agent may read and write through the runtime: those inside the claims of its Worker and inside the
 * roots of the operator. Links are resolved at each use. This is no sandbox: an agent is a process with the rights of
 * its user.
 */
export class ClaimedFiles {
  readonly #claims: readonly { readonly path: string; readonly mode: ClaimMode }[];
  readonly #roots: AllowedRoots;
  readonly #maxBytes: number;

  constructor(claims: readonly Claim[], roots: AllowedRoots, maxBytes: number) {
    this.#claims = claims.flatMap((claim) => {
      const path = claimedPath(claim);
      return path === null ? [] : [{ path, mode: claim.mode }];
    });
    this.#roots = roots;
    this.#maxBytes = maxBytes;
  }

  get canRead(): boolean {
    return this.#claims.length > 0;
  }

  get canWrite(): boolean {
    return this.#claims.some(({ mode }) => mode === 'write');
  }

  /** Returns a directory with all links resolved, or null if it does not exist or is not inside a claim. */
  async directory(path: string): Promise<string | null> {
    const real = await this.#claimed(path, 'read');
    if (real === null) return null;
    const found = await stat(real).catch(() => null);
    return found?.isDirectory() ? real : null;
  }

  /**
   * Reads a text file: `limit` lines from `line` on, which counts from 1. Null for either means no restriction.
   * @throws RequestError the file is not claimed, does not exist, or is too large
   * @throws Error the file cannot be read
   */
  async read(path: string, line: number | null, limit: number | null): Promise<string> {
    const real = await this.#claimed(path, 'read');
    if (real === null) throw refused();
    const file = await opened(path, real, constants.O_RDONLY);
    try {
      await assertOpened(file, real);
      const found = await file.stat();
      if (!found.isFile()) throw refused();
      if (found.size > this.#maxBytes)
        throw RequestError.invalidParams(undefined, `The file is larger than ${this.#maxBytes} bytes`);
      const text = await file.readFile('utf8');
      if (line === null && limit === null) return text;
      const from = Math.max(0, (line ?? 1) - 1);
      return text
        .split('\n')
        .slice(from, limit === null ? undefined : from + limit)
        .join('\n');
    } finally {
      await file.close();
    }
  }

  /**
   * Writes a text file, and creates it if its folder exists.
   * @throws RequestError the file is not claimed for writing, its folder does not exist, or the content is too large
   */
  async write(path: string, content: string): Promise<void> {
    if (Buffer.byteLength(content) > this.#maxBytes)
      throw RequestError.invalidParams(undefined, `The content is larger than ${this.#maxBytes} bytes`);
    const real = await this.#claimed(path, 'write');
    if (real === null) throw refused();
    const file = await opened(path, real, constants.O_WRONLY | constants.O_CREAT);
    try {
      await assertOpened(file, real);
      if (!(await file.stat()).isFile()) throw refused();
      await file.truncate();
      await file.writeFile(content);
    } finally {
      await file.close();
    }
  }

  /** Returns a path with all links resolved, or null if no claim inside the roots allows this mode. */
  async #claimed(path: string, mode: ClaimMode): Promise<string | null> {
    const real = await this.#roots.resolve(path);
    if (real === null) return null;
    for (const claim of this.#claims) {
      if (mode === 'write' && claim.mode !== 'write') continue;
      const root = await this.#roots.resolve(claim.path);
      if (root !== null && isPathInside(real, root)) return real;
    }
    return null;
  }
}
