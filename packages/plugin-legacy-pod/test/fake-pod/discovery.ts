import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Disk, Json } from './disk.ts';

/** Lists all pods, with private facts that must never be published: sockets, sessions and scopes. */
export const listedPods = (disk: Disk): readonly Json[] =>
  readdirSync(join(disk.data, 'pods')).map((name) => {
    const socket = join(disk.runtime, name, 'sock');
    const isLive = existsSync(socket);
    return {
      pod_name: name,
      active: disk.readMetadataOf(name)?.active ?? null,
      comm_registry: { registered: isLive, socket_path: socket },
      live: { reachable: isLive, socket_path: socket, status: 'idle' },
      restore: { possible: !isLive, restore_name: name },
      state: 'readable',
      visibility: name === disk.name ? 'self' : 'spawned_child',
    };
  });

/** Returns the files of the workspace whose path begins with `prefix`, at most 100. */
export const fileCompletions = (workspace: string, prefix: string): readonly Json[] => {
  const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
  const inside = join(workspace, folder);
  if (!existsSync(inside)) return [];
  return readdirSync(inside, { withFileTypes: true })
    .map((entry) => ({
      value: `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}`,
      is_dir: entry.isDirectory(),
    }))
    .filter(({ value }) => value.startsWith(prefix))
    .slice(0, 100);
};
