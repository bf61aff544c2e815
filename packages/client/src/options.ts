/** Where a runtime is, and how patient its client is. */
export interface ClientOptions {
  /** Where it listens, `http://127.0.0.1:8787`; a path in front of `/v1` is kept. */
  readonly url: string;
  /** Sent as a bearer token with every request. */
  readonly token?: string;
  /** The id of the runtime, so that another one at the same address is refused. Default `self`: the one that is served. */
  readonly runtime?: string;
  /** Instead of the global `fetch`. */
  readonly fetch?: typeof fetch;
  /**
   * What live streams go over: all of them share a socket of this class, each with its own position. Where the upgrade
   * fails, they come as Server-Sent Events, a connection each, and nothing else differs; null asks for those at once.
   * Default: the global `WebSocket`, which Node has from version 22 on (`ws` and `undici` have one for earlier ones),
   * and null with a `fetch` of one's own, which a socket would go around.
   */
  readonly webSocket?: typeof WebSocket | null;
  /** How long an answer may take, beyond what a call itself wants to wait for; RUNTIME_UNREACHABLE. Default 60 s. */
  readonly timeoutMs?: number;
  /** A stream that is cut tries again after about this long. Default 250 ms, doubled with each failure. */
  readonly retryMs?: number;
  /** The longest pause between two tries. Default 15 s. */
  readonly retryMaxMs?: number;
  /** How long a stream goes on trying without success before it fails. Default 5 min. */
  readonly patienceMs?: number;
  /** How long a stream may be silent before its connection counts as dead; a runtime says something every 15 s. Default 60 s. */
  readonly silenceMs?: number;
}

export type Timing = Required<
  Pick<ClientOptions, 'timeoutMs' | 'retryMs' | 'retryMaxMs' | 'patienceMs' | 'silenceMs'>
>;

const DEFAULTS: Timing = {
  timeoutMs: 60_000,
  retryMs: 250,
  retryMaxMs: 15_000,
  patienceMs: 300_000,
  silenceMs: 60_000,
};

/** @throws TypeError a time that is no number above 0 */
export const timingOf = (options: ClientOptions): Timing => {
  const timing = { ...DEFAULTS };
  for (const name of Object.keys(DEFAULTS) as (keyof Timing)[]) {
    const value = options[name];
    if (value === undefined) continue;
    if (typeof value !== 'number' || !(value > 0)) throw new TypeError(`${name} must be a number above 0`);
    timing[name] = value;
  }
  return timing;
};

/** The address of the API of one runtime. @throws TypeError not an address that HTTP reaches */
export const baseOf = ({ url, runtime = 'self' }: ClientOptions): string => {
  const { protocol, origin, pathname, username } = new URL(url);
  if (!/^https?:$/.test(protocol)) throw new TypeError('url must begin with http:// or https://');
  if (username !== '') throw new TypeError('url must not hold a password; use the option token');
  if (!/^\w[\w.-]*$/.test(runtime)) throw new TypeError('runtime must be the id of a runtime, or "self"');
  return `${origin}${pathname.replace(/\/+$/, '')}/v1/runtimes/${runtime}`;
};

/** The address of the live streams of one runtime. @throws as `baseOf` */
export const socketUrlOf = (options: ClientOptions): string =>
  `${baseOf(options).replace(/^http/, 'ws')}/stream`;

/** @throws TypeError a token that no header could carry; it is not repeated */
export const authorizationOf = ({ token }: ClientOptions): Readonly<Record<string, string>> => {
  if (token === undefined) return {};
  if (!/^[\x21-\x7e]+$/.test(token)) throw new TypeError('token must be printable ASCII without spaces');
  return { authorization: `Bearer ${token}` };
};

/** The token as a browser can give it to a socket: in the list of subprotocols, never in the address. */
export const bearerProtocolOf = ({ token }: ClientOptions): readonly string[] => {
  if (token === undefined) return [];
  const base64 = btoa(token).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
  return [`bearer.${base64}`];
};
