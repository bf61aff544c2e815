/** The address of a runtime, and the time limits of its client. */
export interface ClientOptions {
  /** The address of the runtime, such as `http://127.0.0.1:8787`. A path before `/v1` is kept. */
  readonly url: string;
  /** Sent as a bearer token with every request. */
  readonly token?: string;
  /** The id of the runtime. Calls to another runtime at the same address are refused. Default `self`: any runtime. */
  readonly runtime?: string;
  /** The function to use instead of the global `fetch`. */
  readonly fetch?: typeof fetch;
  /**
   * The class of the socket that all live streams share, each with its own position. If the upgrade fails, each stream
   * uses Server-Sent Events over its own connection instead, with the same behavior. Null always uses Server-Sent Events.
   * Default: the global `WebSocket`, which Node has since version 22 (`ws` and `undici` provide one for earlier
   * versions). With the option `fetch` the default is null, because a socket would bypass that function.
   */
  readonly webSocket?: typeof WebSocket | null;
  /** The time limit for an answer, in addition to the time that the call itself waits; then RUNTIME_UNREACHABLE. Default 60 s. */
  readonly timeoutMs?: number;
  /** The first retry delay of a stream that lost its connection. It doubles with each failure. Default 250 ms. */
  readonly retryMs?: number;
  /** The longest retry delay. Default 15 s. */
  readonly retryMaxMs?: number;
  /** The time for which a stream retries without success before it fails, without pauses of the process. Default 5 min. */
  readonly patienceMs?: number;
  /** The longest silence on a connection before a stream reconnects. A runtime sends something every 15 s. Default 60 s. */
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

/** Returns the time limits with their defaults. @throws TypeError a time is not a number above 0 */
export const timingOf = (options: Partial<Timing>): Timing => {
  const timing = { ...DEFAULTS };
  for (const name of Object.keys(DEFAULTS) as (keyof Timing)[]) {
    const value = options[name];
    if (value === undefined) continue;
    if (typeof value !== 'number' || !(value > 0)) throw new TypeError(`${name} must be a number above 0`);
    timing[name] = value;
  }
  return timing;
};

/** Returns a path without the slashes at its end, in one pass. */
const withoutTrailingSlashes = (path: string): string => {
  let end = path.length;
  while (path[end - 1] === '/') end -= 1;
  return path.slice(0, end);
};

/** Returns the address of the API. @throws TypeError the address is not valid */
export const apiOf = ({ url }: Pick<ClientOptions, 'url'>): string => {
  const { protocol, origin, pathname, username } = new URL(url);
  if (!/^https?:$/.test(protocol)) throw new TypeError('url must begin with http:// or https://');
  if (username !== '') throw new TypeError('url must not contain a user or password; use the option token');
  return `${origin}${withoutTrailingSlashes(pathname)}/v1`;
};

/** Returns the address of the API of one runtime. @throws TypeError the address or the runtime id is not valid */
export const baseOf = ({ url, runtime = 'self' }: ClientOptions): string => {
  if (!/^\w[\w.-]*$/.test(runtime)) throw new TypeError('runtime must be the id of a runtime, or "self"');
  return `${apiOf({ url })}/runtimes/${runtime}`;
};

/** Returns the address of the live streams of one runtime. @throws as `baseOf` */
export const socketUrlOf = (options: ClientOptions): string =>
  `${baseOf(options).replace(/^http/, 'ws')}/stream`;

/** Returns the header with the token. @throws TypeError a header cannot carry the token; the message does not repeat it */
export const authorizationOf = ({
  token,
}: Pick<ClientOptions, 'token'>): Readonly<Record<string, string>> => {
  if (token === undefined) return {};
  if (!/^[\x21-\x7e]+$/.test(token)) throw new TypeError('token must be printable ASCII without spaces');
  return { authorization: `Bearer ${token}` };
};

/** Returns the token as a subprotocol. A browser can send it with a socket in no other way, except in the address. */
export const bearerProtocolOf = ({ token }: ClientOptions): readonly string[] => {
  if (token === undefined) return [];
  const base64 = btoa(token).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
  return [`bearer.${base64}`];
};
