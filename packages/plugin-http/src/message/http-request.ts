import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { ErrorCode } from '@worker-runtime/core';
import type { ServedRuntime } from '@worker-runtime/core/plugin-kit';
import { ANYONE, type Caller } from '../access/caller.ts';
import type { Transfer } from '../traffic/byte-total.ts';
import type { Found, RouteFacts } from './route-facts.ts';

/** A request as the gate and the routes see it. */
export class HttpRequest<Route extends RouteFacts = RouteFacts> {
  readonly raw: IncomingMessage;
  /** The correlation id. */
  readonly id: string;
  /** The route of its path and method; null if there is none. */
  readonly route: Route | null;
  /** True if its URL is not valid. */
  readonly isBadUrl: boolean;
  /** The parameters of the path. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string | string[] | undefined>>;
  /** The address of the client, behind the proxies of `trustedProxies`; null if it has left. */
  readonly from: string | null;
  caller: Caller = ANYONE;
  /** The parsed body, or its bytes for a route that takes bytes; `undefined` without one. */
  body: unknown = undefined;
  /** The code of the error that the answer reports; null for a success. */
  refusal: ErrorCode | null = null;
  /** True if the answer is a stream. */
  isStream = false;
  /** The bytes of the body; null if the request has none. */
  bodyTransfer: Transfer | null = null;
  #served: ServedRuntime | null = null;

  constructor(
    raw: IncomingMessage,
    { route, isBadUrl, params, query }: Found<Route>,
    id: string,
    from: string | null,
  ) {
    this.raw = raw;
    this.id = id;
    this.route = route;
    this.isBadUrl = isBadUrl;
    this.params = params;
    this.query = query;
    this.from = from;
  }

  get method(): string {
    return this.raw.method ?? '';
  }

  get url(): string {
    return this.raw.url ?? '';
  }

  get headers(): IncomingHttpHeaders {
    return this.raw.headers;
  }

  /** True if the request changes nothing. */
  get isRead(): boolean {
    const { method } = this.raw;
    return method === 'GET' || method === 'HEAD';
  }

  /** The runtime that the path names, as the caller may use it. Only for the routes of a runtime, behind the gate. */
  get served(): ServedRuntime {
    if (this.#served === null) throw new TypeError(`${this.route?.path} belongs to no runtime`);
    return this.#served;
  }

  set served(served: ServedRuntime) {
    this.#served = served;
  }
}
