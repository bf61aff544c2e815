import { RuntimeError, type RuntimePlugin } from '@worker-runtime/core';
import type { Permission } from '@worker-runtime/core/scope';
import { assertMay, type MountHandler, type MountPlace } from '@worker-runtime/plugin-http';
import { memberOf } from './member.ts';

interface MountedPlugin {
  readonly permission: Permission;
  readonly handler: MountHandler;
}

/** A workspace and its plugins, of which some serve protocols of their own. */
export interface PluginsOfWorkspace {
  readonly id: string;
  readonly plugins: readonly RuntimePlugin[];
}

const isMounting = (plugin: RuntimePlugin): plugin is RuntimePlugin & { mountOn(place: MountPlace): void } =>
  'mountOn' in plugin && typeof plugin.mountOn === 'function';

/** Serves the handlers of each workspace's plugins to the members of that workspace, below its prefix. */
export const mountPlugins = (server: MountPlace, workspaces: readonly PluginsOfWorkspace[]): void => {
  /** The mounted plugins by name, and then by workspace. */
  const mounted = new Map<string, Map<string, MountedPlugin>>();
  for (const { id, plugins } of workspaces) {
    const place: MountPlace = {
      mount(name, permission, handler) {
        const byWorkspace = mounted.get(name) ?? new Map<string, MountedPlugin>();
        if (byWorkspace.has(id))
          throw new RuntimeError('INVALID_REQUEST', `Two plugins of the workspace "${id}" mount "${name}"`);
        mounted.set(name, byWorkspace.set(id, { permission, handler }));
      },
    };
    for (const plugin of plugins) if (isMounting(plugin)) plugin.mountOn(place);
  }
  for (const [name, byWorkspace] of mounted) {
    server.mount(name, 'observe', (request, context) => {
      const found = byWorkspace.get(memberOf(context.caller).workspace.id);
      if (found === undefined) throw new RuntimeError('ROUTE_NOT_FOUND');
      assertMay(context.caller, found.permission);
      return found.handler(request, context);
    });
  }
};
