import { RuntimeError } from '@worker-runtime/core';
import type { ServedRuntime } from '@worker-runtime/core/plugin-kit';
import type { Identity } from './identity.ts';

/** A runtime of this process. The program that embeds it starts and stops it. */
export interface EmbeddedSource {
  /** The name in lists, unique in the registry: 1 to 64 letters, digits, ".", "_" or "-". */
  readonly name: string;
  readonly runtime: ServedRuntime;
}

/** A runtime that another process serves. */
export interface RemoteSource {
  readonly name: string;
  /** Its address, such as `https://10.0.0.7:8787`. A path before `/v1` is kept. */
  readonly url: string;
  /** Its id. Required with `identity`. Otherwise the first answer at the address decides it, for as long as the source stays. */
  readonly runtimeId?: string;
  /**
   * The credentials. With `identity`, the runtime applies the scope of each caller, and records who acted. A static `token` has one
   * scope for all, so that the runtime exists only for callers of all Workers. None: the runtime accepts every caller.
   */
  readonly auth?: { readonly identity: Identity } | { readonly token: string };
}

export type Source = EmbeddedSource | RemoteSource;

export const isEmbedded = (source: Source): source is EmbeddedSource => 'runtime' in source;

const refuse = (name: string, message: string): RuntimeError =>
  new RuntimeError('INVALID_REQUEST', `The runtime "${name}" ${message}`);

/** @throws INVALID_REQUEST a source is not valid, or two have the same name or id; the message says what to change */
export const assertSources = (sources: readonly Source[]): void => {
  const names = new Set<string>();
  const ids = new Map<string, string>();
  for (const source of sources) {
    const { name } = source;
    if (typeof name !== 'string' || !/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name))
      throw new RuntimeError(
        'INVALID_REQUEST',
        'The name of a runtime must have 1 to 64 letters, digits, ".", "_" or "-" and begin with a letter or digit',
      );
    if (names.has(name)) throw refuse(name, 'is listed twice: give each runtime its own name');
    names.add(name);
    if (isEmbedded(source)) continue;
    assertRemote(source);
    const { runtimeId } = source;
    if (runtimeId === undefined) continue;
    const other = ids.get(runtimeId);
    if (other !== undefined)
      throw refuse(name, `has the same runtimeId as "${other}": remove one, or correct its runtimeId`);
    ids.set(runtimeId, name);
  }
};

const assertRemote = ({ name, url, runtimeId, auth }: RemoteSource): void => {
  if (typeof url !== 'string' || !URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw refuse(name, 'needs a url that begins with http:// or https://');
  const { username, password, search, hash } = new URL(url);
  if (username !== '' || password !== '') throw refuse(name, 'has a password in its url: use auth.token');
  if (search !== '' || hash !== '') throw refuse(name, 'has a url with a query or a fragment');
  if (runtimeId !== undefined && !/^runtime_[0-9a-z]{26}$/.test(runtimeId))
    throw refuse(name, 'has a runtimeId that is not one: worker-runtime status shows it');
  if (auth !== undefined && 'identity' in auth && runtimeId === undefined)
    throw refuse(
      name,
      'needs its runtimeId, for which its tokens are signed: worker-runtime status shows it',
    );
  if (auth !== undefined && 'token' in auth && !/^[\x21-\x7e]+$/.test(auth.token))
    throw refuse(name, 'needs a token of printable ASCII without spaces');
};
