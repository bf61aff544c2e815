import { setMaxListeners } from 'node:events';
import type { Host, Location } from './host.ts';

interface Route {
  readonly runtimeId: string;
  readonly host: string;
  readonly cut: AbortController;
  uses: number;
}

/**
 * The routes on which requests are passed on, each to one owner of one Runtime. A route is cut once the Runtime has another owner and the
 * former one is silent. That one is paused or cut off, so it ends nothing, and its clients would wait for it. A host that has given the
 * Runtime away ends its streams by itself, and still passes requests on.
 */
export class Routes {
  readonly #routes = new Map<string, Route>();

  /** Takes the route to a host. Returns a signal that aborts when it is cut, and the function that gives it back. */
  take({ runtimeId }: Location, host: string): { readonly cut: AbortSignal; readonly release: () => void } {
    const key = `${runtimeId} ${host}`;
    const route = this.#routes.get(key) ?? this.#add(key, runtimeId, host);
    route.uses += 1;
    let isReleased = false;
    const release = (): void => {
      if (isReleased) return;
      isReleased = true;
      route.uses -= 1;
      if (route.uses === 0 && this.#routes.get(key) === route) this.#routes.delete(key);
    };
    return { cut: route.cut.signal, release };
  }

  /** Cuts the routes to silent hosts that own their Runtime no longer. */
  check(host: Host): void {
    for (const [key, route] of this.#routes) {
      if (host.find(route.runtimeId)?.host?.id === route.host) continue;
      // a host without a card has left in order
      if (!host.sight.hosts.some(({ id }) => id === route.host) || !host.isSilent(route.host)) continue;
      this.#routes.delete(key);
      route.cut.abort();
    }
  }

  #add(key: string, runtimeId: string, host: string): Route {
    const route = { runtimeId, host, cut: new AbortController(), uses: 0 };
    // each request listens
    setMaxListeners(0, route.cut.signal);
    this.#routes.set(key, route);
    return route;
  }
}
