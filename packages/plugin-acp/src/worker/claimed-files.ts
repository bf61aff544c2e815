import { constants } from 'node:fs';
import { open, realpath } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative } from 'node:path';
import { RequestError } from '@agentclientprotocol/sdk';
import type { Claim, ClaimMode } from '@worker-runtime/core';

/** Returns the path of a claimed directory or file, or null if the claim is not about the file system. */
export const claimedPath = ({ resource }: Claim): string | null =>
  resource.startsWith('fs:/') ? resource.slice('fs:'.length).replace(/(?!^)\/+$/, '') : null;

const isInside = (path: string, root: string): boolean => {
  const rest = relative(root, path);
  return rest === '' || (!rest.startsWith('..') && !isAbsolute(rest));
};

const refused = (): RequestError =>
  RequestError.invalidParams(undefined, 'The path is outside the claims of this agent');

/**
 * The files that an agent may read and write through the runtime: those inside the claims of its Worker, after links
 * are resolved. This is no sandbox: an agent is a process with the rights of its user.
 */
export class ClaimedFiles {
  readonly #roots: readonly { readonly path: string; readonly mode: ClaimMode }[];
  readonly #maxBytes: number;

  private constructor(
    roots: readonly { readonly path: string; readonly mode: ClaimMode }[],
    maxBytes: number,
  ) {
    this.#roots = roots;
    this.#maxBytes = maxBytes;
  }

  static async create(claims: readonly Claim[], maxBytes: number): Promise<ClaimedFiles> {
    const roots: { path: string; mode: ClaimMode }[] = [];
    for (const claim of claims) {
      const path = claimedPath(claim);
      // A path that does not exist yet cannot be resolved, so it is used as it is written.
      if (path !== null) roots.push({ path: await realpath(path).catch(() => path), mode: claim.mode });
    }
    return new ClaimedFiles(roots, maxBytes);
  }

  get canRead(): boolean {
    return this.#roots.length > 0;
  }

  get canWrite(): boolean {
    return this.#roots.some(({ mode }) => mode === 'write');
  }

  /** True if a path exists and, after links are resolved, is inside a claim. */
  async includes(path: string): Promise<boolean> {
    const real = await realpath(path).catch(() => null);
    return real !== null && this.#roots.some((root) => isInside(real, root.path));
  }

  /**
   * Reads a text file: `limit` lines from `line` on, which counts from 1. Null for either means no restriction.
   * @throws RequestError the file is not claimed or too large
   * @throws Error the file does not exist or cannot be read
   */
  async read(path: string, line: number | null, limit: number | null): Promise<string> {
    const real = await this.#checkClaimed(await realpath(path).catch(() => ''), 'read');
    const file = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stat = await file.stat();
      if (!stat.isFile()) throw refused();
      if (stat.size > this.#maxBytes)
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
   * @throws RequestError the file is not claimed for writing, or the content is too large
   */
  async write(path: string, content: string): Promise<void> {
    if (Buffer.byteLength(content) > this.#maxBytes)
      throw RequestError.invalidParams(undefined, `The content is larger than ${this.#maxBytes} bytes`);
    const folder = await realpath(dirname(path)).catch(() => '');
    const target = folder === '' ? '' : join(folder, basename(path));
    const real = await this.#checkClaimed(await realpath(target).catch(() => target), 'write');
    const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW, O_NONBLOCK } = constants;
    const file = await open(real, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK);
    try {
      await file.writeFile(content);
    } finally {
      await file.close();
    }
  }

  /** Returns the path if a claim allows this mode. @throws RequestError no claim does */
  async #checkClaimed(real: string, mode: ClaimMode): Promise<string> {
    const isClaimed = this.#roots.some(
      (root) => (mode === 'read' || root.mode === 'write') && real !== '' && isInside(real, root.path),
    );
    if (!isClaimed) throw refused();
    return real;
  }
}
