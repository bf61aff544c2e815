import { constants } from 'node:fs';
import { open, realpath } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative } from 'node:path';
import { RequestError } from '@agentclientprotocol/sdk';
import type { Claim, ClaimMode } from '@worker-runtime/core';

/** The directory, or file, that a claim is about; null where it is about something else. */
export const claimedPath = ({ resource }: Claim): string | null =>
  resource.startsWith('fs:/') ? resource.slice('fs:'.length).replace(/(?!^)\/+$/, '') : null;

const isInside = (path: string, root: string): boolean => {
  const way = relative(root, path);
  return way === '' || (!way.startsWith('..') && !isAbsolute(way));
};

const refused = (): RequestError =>
  RequestError.invalidParams(undefined, 'The path is not open to this agent');

/**
 * The files that an agent may ask the runtime for: those that its Worker claims, by where they really are. It is no
 * sandbox: an agent is a process with the rights of its user.
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

  static async of(claims: readonly Claim[], maxBytes: number): Promise<ClaimedFiles> {
    const roots: { path: string; mode: ClaimMode }[] = [];
    for (const claim of claims) {
      const path = claimedPath(claim);
      // one that is not there yet can only be what it is called
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

  /** Whether a directory, by where it really is, is inside a claim. */
  async holds(path: string): Promise<boolean> {
    const real = await realpath(path).catch(() => null);
    return real !== null && this.#roots.some((root) => isInside(real, root.path));
  }

  /** @throws RequestError not claimed, not there, or too large */
  async read(path: string, line: number | null, limit: number | null): Promise<string> {
    const real = await this.#claimed(await realpath(path).catch(() => ''), 'read');
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

  /** @throws RequestError not claimed for writing, or too large */
  async write(path: string, content: string): Promise<void> {
    if (Buffer.byteLength(content) > this.#maxBytes)
      throw RequestError.invalidParams(undefined, `The content is larger than ${this.#maxBytes} bytes`);
    const folder = await realpath(dirname(path)).catch(() => '');
    const place = folder === '' ? '' : join(folder, basename(path));
    const real = await this.#claimed(await realpath(place).catch(() => place), 'write');
    const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW, O_NONBLOCK } = constants;
    const file = await open(real, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK);
    try {
      await file.writeFile(content);
    } finally {
      await file.close();
    }
  }

  async #claimed(real: string, mode: ClaimMode): Promise<string> {
    const isOpen = this.#roots.some(
      (root) => (mode === 'read' || root.mode === 'write') && real !== '' && isInside(real, root.path),
    );
    if (!isOpen) throw refused();
    return real;
  }
}
