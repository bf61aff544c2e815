import { lstat, realpath, statfs } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, normalize, relative, sep } from 'node:path';
import type { Claim } from '../contracts/claim.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import type { OptionReader } from './options.ts';

/** Directories with processes, settings and devices of the machine. No root allows them. */
const NEVER = ['/proc', '/sys', '/dev'];

/** The types of the same file systems, which may be mounted at other paths too: proc, sysfs, devpts, cgroup, tracing. */
const NEVER_TYPES = new Set([
  0x9fa0, 0x62656572, 0x1cd1, 0x27e0eb, 0x63677270, 0x64626720, 0x74726163, 0x73636673, 0x62656570,
]);

const isMissing = (error: unknown): boolean =>
  (error as { readonly code?: unknown } | null)?.code === 'ENOENT';

/** True if a path is a directory or lies below it. Both are absolute, and links in them are not followed. */
export const isPathInside = (path: string, directory: string): boolean => {
  const rest = relative(directory, path);
  return rest === '' || (rest !== '..' && !rest.startsWith(`..${sep}`) && !isAbsolute(rest));
};

/** Returns the path of a claimed directory or file, or null if the claim is not about the file system. */
export const claimedPath = ({ resource }: Claim): string | null =>
  resource.startsWith('fs:/') ? resource.slice('fs:'.length).replace(/(?!^)\/$/, '') : null;

/** Returns the items of a list that is written as JSON or with commas, which is how flags carry a list. */
const itemsOf = (text: string): unknown => {
  try {
    return text.startsWith('[') ? JSON.parse(text) : text.split(',').map((item) => item.trim());
  } catch {
    return null;
  }
};

/** Reads an option that lists directories: absolute paths, as a list or as one text. */
export const directories: OptionReader<readonly string[]> = (value, refuse) => {
  const items = typeof value === 'string' ? itemsOf(value) : value;
  const isPath = (item: unknown): item is string =>
    typeof item === 'string' && isAbsolute(item) && !item.includes('\0');
  if (!Array.isArray(items) || !items.every(isPath)) return refuse('must be a list of absolute paths');
  const paths = items.map((item) => normalize(item).replace(/(?!^)\/$/, ''));
  if (paths.some((path) => NEVER.some((never) => isPathInside(path, never))))
    return refuse(`must not name directories in ${NEVER.join(', ')}`);
  return paths;
};

/** Resolves all links in a path, whose last parts need not exist. Returns null if the path cannot be resolved safely. */
const resolved = async (
  path: string,
): Promise<{ readonly real: string; readonly existing: string } | null> => {
  try {
    const real = await realpath(path);
    return { real, existing: real };
  } catch (error) {
    if (!isMissing(error) || dirname(path) === path) return null;
    // A link whose target is missing exists itself. A program that writes to it would create the target.
    if (await lstat(path).catch(() => null)) return null;
    const above = await resolved(dirname(path));
    return above && { real: join(above.real, basename(path)), existing: above.existing };
  }
};

/**
 * The directories that the operator allows the Workers of an engine to use. Without directories, none is allowed. Links
 * are resolved at each call, because a link may be changed between two uses.
 */
export class AllowedRoots {
  readonly #roots: readonly string[];
  readonly #option: string;

  /** `option` is the full name of the option with the directories, for error messages. */
  constructor(roots: readonly string[], option: string) {
    this.#roots = roots;
    this.#option = option;
  }

  /** Returns a path with all links resolved, or null if it is outside the roots or in a directory of the system. */
  async resolve(path: string): Promise<string | null> {
    if (!isAbsolute(path) || path.includes('\0')) return null;
    const found = await resolved(normalize(path));
    if (!found || NEVER.some((never) => isPathInside(found.real, never))) return null;
    for (const root of this.#roots) {
      const realRoot = (await resolved(root))?.real;
      if (realRoot === undefined || !isPathInside(found.real, realRoot)) continue;
      const system = await statfs(found.existing).catch(() => null);
      return system === null || NEVER_TYPES.has(system.type) ? null : found.real;
    }
    return null;
  }

  /**
   * Returns claims with all links in their paths resolved. Claims to other resources stay as they are.
   * @throws CONFIG_UNSUPPORTED a claimed path is outside the roots
   */
  async resolveClaims(claims: readonly Claim[]): Promise<Claim[]> {
    const canonical: Claim[] = [];
    // One after another, so that the first claim outside the roots is the one that the error names.
    for (const [index, claim] of claims.entries()) {
      const path = claimedPath(claim);
      if (path === null) {
        canonical.push(claim);
        continue;
      }
      const real = await this.resolve(path);
      if (real === null) throw this.refusal(`The claim "${claim.name}"`, `/claims/${index}/resource`);
      canonical.push({ ...claim, resource: `fs:${real}` });
    }
    return canonical;
  }

  /** Returns the error for a path outside the roots. `subject` names the path without showing it. */
  refusal(subject: string, pointer: string): RuntimeError {
    const message = `is outside the directories that the operator allows (${this.#option})`;
    return new RuntimeError('CONFIG_UNSUPPORTED', `${subject} ${message}`, {
      details: { issues: [{ pointer, message }] },
    });
  }
}
