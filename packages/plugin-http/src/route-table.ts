import findMyWay, { type HTTPMethod } from 'find-my-way';
import type { HttpReply } from './message/http-reply.ts';
import type { HttpRequest } from './message/http-request.ts';
import type { Found, Method, RouteFacts, RouteOptions } from './message/route-facts.ts';

/** Answers a request: with the reply, which was sent or taken over, or with a value that is sent as JSON. */
export type Handler = (request: HttpRequest, reply: HttpReply) => object | Promise<object>;

/** A route with its handler. */
export interface Route extends RouteFacts {
  readonly handler: Handler;
}

/** The parts of a route that the OpenAPI document describes. */
export type DescribedRoute = Pick<Route, 'method' | 'path' | 'permission' | 'query'>;

const NOT_FOUND: Found<Route> = { route: null, isBadUrl: false, params: {}, query: {} };
const BAD_URL: Found<Route> = { ...NOT_FOUND, isBadUrl: true };

/** The prefix of the routes of a runtime. */
const RUNTIME_PREFIX = '/v1/runtimes/:r';

/** A place for routes. `get` also adds HEAD, which is answered like GET but without the body. */
export class RoutePlace {
  readonly #add: (route: Route) => void;
  readonly #prefix: string;

  constructor(add: (route: Route) => void, prefix = '') {
    this.#add = add;
    this.#prefix = prefix;
  }

  get(path: string, options: RouteOptions, handler: Handler): void {
    this.on('GET', path, options, handler);
  }

  post(path: string, options: RouteOptions, handler: Handler): void {
    this.on('POST', path, options, handler);
  }

  /** @throws TypeError the options have no permission */
  on(method: Method, path: string, options: RouteOptions, handler: Handler): void {
    const whole = this.#prefix + path;
    if (options.permission === undefined) throw new TypeError(`The route ${whole} declares no permission`);
    const isOfRuntime = this.#prefix === RUNTIME_PREFIX;
    this.#add({ ...options, method, path: whole, isOfRuntime, handler });
    if (method === 'GET') this.#add({ ...options, method: 'HEAD', path: whole, isOfRuntime, handler });
  }
}

/** All routes of a listener. It distinguishes an unknown path from a known one with a wrong method. */
export class RouteTable {
  readonly #routes: Route[] = [];
  readonly #methods = new Map<string, { readonly pattern: RegExp; readonly methods: Set<string> }>();
  readonly #router;
  /** The place of routes about no runtime. */
  readonly root = new RoutePlace((route) => this.#add(route));
  /** The place of the routes of a runtime. */
  readonly ofRuntime = new RoutePlace((route) => this.#add(route), RUNTIME_PREFIX);

  /** `paramChars` is the longest parameter of a path. */
  constructor(paramChars: number) {
    this.#router = findMyWay({ maxParamLength: paramChars, onBadUrl: () => {} });
  }

  /** All routes that the OpenAPI document describes, in the order of declaration. */
  get routes(): readonly Route[] {
    return this.#routes.filter(({ isUndescribed }) => !isUndescribed);
  }

  /** Returns the route of a request. */
  find(method: string, url: string): Found<Route> {
    const found = this.#router.find(method as HTTPMethod, url);
    if (found === null) return NOT_FOUND;
    const { store: route, params, searchParams: query } = found;
    return route === null ? BAD_URL : { route, isBadUrl: false, params: params as Found['params'], query };
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

  #add(route: Route): void {
    const { method, path } = route;
    this.#router.on(method, path, () => {}, route);
    this.#routes.push(route);
    const pattern = new RegExp(
      `^${path
        .replaceAll('.', '\\.')
        .replace(/:[a-z]+/g, '[^/]+')
        .replace('*', '.*')}$`,
    );
    const entry = this.#methods.get(path) ?? { pattern, methods: new Set() };
    entry.methods.add(method);
    this.#methods.set(path, entry);
  }
}
