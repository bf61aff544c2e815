import type { FastifyInstance, RouteOptions } from 'fastify';
import type { RoutePermission } from './access/permission.ts';

/** One method of a path. */
export interface Route {
  readonly method: string;
  /** The declared path, such as `/v1/runtimes/:r`. */
  readonly path: string;
  readonly permission: RoutePermission;
  /** The names of its query parameters. */
  readonly query: readonly string[];
}

/** All routes of a listener. It distinguishes an unknown path from a known one with a wrong method. */
export class RouteTable {
  readonly #routes: Route[] = [];
  readonly #methods = new Map<string, { readonly pattern: RegExp; readonly methods: Set<string> }>();

  /** All routes that the OpenAPI document describes, in the order of declaration. */
  get routes(): readonly Route[] {
    return this.#routes;
  }

  /** Collects every route that is added from here on. A route without a permission is refused with a TypeError. */
  watch(app: FastifyInstance): void {
    app.addHook('onRoute', ({ url, method, config }: RouteOptions) => {
      const permission = config?.permission;
      if (permission === undefined) throw new TypeError(`The route ${url} declares no permission`);
      const { query = [], isUndescribed = false } = config ?? {};
      for (const name of isUndescribed ? [] : [method].flat())
        this.#routes.push({ method: name, path: url, permission, query: query === 'any' ? [] : query });
      const pattern = new RegExp(
        `^${url
          .replaceAll('.', '\\.')
          .replace(/:[a-z]+/g, '[^/]+')
          .replace('*', '.*')}$`,
      );
      const entry = this.#methods.get(url) ?? { pattern, methods: new Set() };
      for (const name of [method].flat()) entry.methods.add(name);
      this.#methods.set(url, entry);
    });
  }

  /** Returns the methods of a path; empty if the path is unknown. */
  methodsAt(url: string): readonly string[] {
    const [path = ''] = url.split('?', 1);
    const found = new Set<string>();
    for (const { pattern, methods } of this.#methods.values()) {
      if (pattern.test(path)) for (const method of methods) found.add(method);
    }
    return [...found].sort();
  }
}
