import type { FastifyInstance, RouteOptions } from 'fastify';
import type { RoutePermission } from './access/permission.ts';

/** One method of a path, and what it takes to call it. */
export interface Route {
  readonly method: string;
  /** As it was declared: `/v1/runtimes/:r`. */
  readonly path: string;
  readonly permission: RoutePermission;
  /** The query parameters that it knows. */
  readonly query: readonly string[];
}

/** What is served where, so that a known path with a wrong method is told from an unknown one. */
export class RouteTable {
  readonly #routes: Route[] = [];
  readonly #methods = new Map<string, { readonly pattern: RegExp; readonly methods: Set<string> }>();

  get routes(): readonly Route[] {
    return this.#routes;
  }

  /** Sees every route that is added from here on. One that does not say who may call it does not come to be. */
  watch(app: FastifyInstance): void {
    app.addHook('onRoute', ({ url, method, config }: RouteOptions) => {
      const permission = config?.permission;
      if (permission === undefined) throw new TypeError(`The route ${url} declares no permission`);
      const { query = [] } = config ?? {};
      for (const name of [method].flat()) this.#routes.push({ method: name, path: url, permission, query });
      const pattern = new RegExp(`^${url.replaceAll('.', '\\.').replace(/:[a-z]+/g, '[^/]+')}$`);
      const entry = this.#methods.get(url) ?? { pattern, methods: new Set() };
      for (const name of [method].flat()) entry.methods.add(name);
      this.#methods.set(url, entry);
    });
  }

  /** The methods of a path; none where nothing is served there. */
  methodsAt(url: string): readonly string[] {
    const [path = ''] = url.split('?', 1);
    const found = new Set<string>();
    for (const { pattern, methods } of this.#methods.values()) {
      if (pattern.test(path)) for (const method of methods) found.add(method);
    }
    return [...found].sort();
  }
}
