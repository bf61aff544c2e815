import { RuntimeError } from '@worker-runtime/core';
import type { Membership, SeenHost, SeenRuntime, Sight } from '@worker-runtime/core/plugin-kit';
import { EXIT, Failure, usageError } from '../failure.ts';
import type { Output } from '../output.ts';
import { messageWithCauses } from '../start-failure.ts';
import { table } from '../table.ts';
import { urlOf } from './postgres.ts';

export interface ClusterFlags {
  readonly urlFile: string | undefined;
  readonly json: boolean;
}

/** The time between two looks of a command that waits. */
const LOOK_MS = 500;

/** Runs a command on the membership in a database. @throws Failure */
const withMembership = async (
  { urlFile }: ClusterFlags,
  act: (membership: Membership) => Promise<void>,
): Promise<void> => {
  const url = await urlOf(urlFile);
  const { postgresMembership } = await import('@worker-runtime/plugin-postgres-store');
  let membership: Membership | null = null;
  try {
    // a command that waits reads a changed file again
    membership = postgresMembership(urlFile === undefined ? { url } : { urlFile });
    await act(membership);
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    const isUsage = error.code === 'INVALID_REQUEST';
    throw new Failure(isUsage ? EXIT.usage : EXIT.failed, messageWithCauses(error), { cause: error });
  } finally {
    await membership?.close();
  }
};

/** Returns the hosts that a name or an id means. @throws Failure there is none */
const hostsNamed = ({ hosts }: Sight, name: string): readonly [SeenHost, ...SeenHost[]] => {
  const [first, ...more] = hosts.filter((host) => host.id === name || host.name === name);
  if (first) return [first, ...more];
  const known = hosts.map((host) => host.name).join(', ');
  throw usageError(`there is no host "${name}" (hosts: ${known === '' ? 'none' : known})`);
};

const runtimeNamed = ({ runtimes }: Sight, name: string): SeenRuntime => {
  const found = runtimes.find((runtime) => runtime.name === name || runtime.runtimeId === name);
  if (found) return found;
  throw usageError(
    `the cluster has no Runtime "${name}"; make it with: worker-runtime runtimes create ${name}`,
  );
};

/** Looks until a condition holds. Returns false if it does not in time. */
const waitUntil = async (
  membership: Membership,
  waitS: number,
  holds: (sight: Sight) => boolean,
): Promise<boolean> => {
  const until = performance.now() + waitS * 1_000;
  while (!holds(await membership.look())) {
    if (performance.now() >= until) return false;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return true;
};

export const listHosts = (flags: ClusterFlags, output: Output): Promise<void> =>
  withMembership(flags, async (membership) => {
    const { hosts, runtimes } = await membership.look();
    const items = hosts.map((host) => ({
      ...host,
      runtimes: runtimes.filter((runtime) => runtime.host === host.id).map(({ name }) => name),
    }));
    const rows = items.map(({ name, id, address, isDraining, runtimes: owned }) => [
      name,
      id,
      address,
      isDraining ? 'draining' : '',
      String(owned.length),
    ]);
    output.print(
      flags.json
        ? JSON.stringify({ items })
        : table(['NAME', 'ID', 'ADDRESS', 'STATE', 'RUNTIMES'], rows, { columns: output.columns }),
    );
  });

export const listRuntimes = (flags: ClusterFlags, output: Output): Promise<void> =>
  withMembership(flags, async (membership) => {
    const { hosts, runtimes } = await membership.look();
    const nameOf = (id: string | null): string => hosts.find((host) => host.id === id)?.name ?? id ?? '';
    const items = runtimes.map((runtime) => ({ ...runtime, hostName: nameOf(runtime.host) || null }));
    const rows = runtimes.map(({ name, runtimeId, host, claim, pinnedTo, movingTo }) => [
      name,
      runtimeId,
      nameOf(host) || 'none',
      String(claim),
      pinnedTo ?? '',
      nameOf(movingTo),
    ]);
    output.print(
      flags.json
        ? JSON.stringify({ items })
        : table(['NAME', 'ID', 'HOST', 'CLAIM', 'PINNED TO', 'MOVING TO'], rows, { columns: output.columns }),
    );
  });

export const createRuntimes = (
  {
    names,
    pinTo,
    ...flags
  }: ClusterFlags & { readonly names: readonly string[]; readonly pinTo: string | undefined },
  output: Output,
): Promise<void> =>
  withMembership(flags, async (membership) => {
    const wrong = names.find((name) => !/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name));
    if (wrong !== undefined)
      throw usageError(`a Runtime needs a name of 1 to 64 letters, digits, ".", "_" or "-", not "${wrong}"`);
    for (const name of names) {
      const made = await membership.create(name, pinTo ?? null);
      output.print(flags.json ? JSON.stringify(made) : `${made.name}  ${made.runtimeId}`);
    }
  });

export const moveRuntime = (
  flags: ClusterFlags & { readonly runtime: string; readonly host: string; readonly waitS: number },
  output: Output,
): Promise<void> =>
  withMembership(flags, async (membership) => {
    const sight = await membership.look();
    const { name, pinnedTo } = runtimeNamed(sight, flags.runtime);
    const target = hostsNamed(sight, flags.host).at(-1) as SeenHost;
    if (pinnedTo !== null && pinnedTo !== target.name)
      throw usageError(`the Runtime "${name}" is pinned to ${pinnedTo}`);
    await membership.move(name, target.id);
    const isThere = await waitUntil(membership, flags.waitS, ({ runtimes }) =>
      runtimes.some((runtime) => runtime.name === name && runtime.host === target.id),
    );
    if (!isThere) throw new Failure(EXIT.failed, `"${name}" has not moved yet; look with: runtimes list`);
    output.print(flags.json ? JSON.stringify({ name, host: target.id }) : `${name} is on ${target.name} now`);
  });

export const drainHost = (
  flags: ClusterFlags & { readonly host: string; readonly waitS: number },
  output: Output,
): Promise<void> =>
  withMembership(flags, async (membership) => {
    const hosts = hostsNamed(await membership.look(), flags.host);
    const ids = new Set(hosts.map(({ id }) => id));
    for (const id of ids) await membership.drain(id);
    const isEmpty = await waitUntil(membership, flags.waitS, ({ runtimes }) =>
      runtimes.every(({ host }) => host === null || !ids.has(host)),
    );
    if (!isEmpty)
      throw new Failure(EXIT.failed, `${flags.host} still has Runtimes; look with: runtimes list`);
    output.print(flags.json ? JSON.stringify({ hosts: [...ids] }) : `${flags.host} has no Runtimes now`);
  });
