import { resolve } from 'node:path';
import { RuntimeError } from '@worker-runtime/core';
import {
  list,
  type OptionReader,
  optional,
  readOptions,
  text,
  wholeNumber,
} from '@worker-runtime/core/plugin-kit';
import { isLoopback } from '../loopback.ts';

/** The identity provider with which people log in, by OpenID Connect. */
export interface OidcConfig {
  /** The address that the provider gives as its issuer, such as `https://login.example/realms/acme`. */
  readonly issuer: string;
  /** The id under which the provider knows this backend. */
  readonly clientId: string;
  /** The file with the secret of the client, which is read for each login. Default: none, for a public client. */
  readonly clientSecretFile?: string;
  /** The name of the provider on the login page. Default: the host of the issuer. */
  readonly name?: string;
  /** The claim with the name of a person. Default `email`, which the provider must have verified. */
  readonly nameClaim?: string;
  /** The claim with the groups of a person, for the policy. Default `groups`. */
  readonly groupsClaim?: string;
  /** Default `openid`, `email` and `profile`. */
  readonly scopes?: readonly string[];
  /** The time limit for each answer of the provider. A login then fails with LOGIN_UNAVAILABLE. Default 10 s. */
  readonly timeoutMs?: number;
}

export interface ResolvedOidc {
  readonly issuer: URL;
  readonly clientId: string;
  readonly clientSecretFile: string | null;
  readonly name: string;
  readonly nameClaim: string;
  readonly groupsClaim: string;
  readonly scopes: readonly string[];
  readonly timeoutMs: number;
}

const issuerIn: OptionReader<URL> = (value, refuse) => {
  const issuer = URL.canParse(String(value)) ? new URL(String(value)) : refuse('must be an address');
  const isProtected = issuer.protocol === 'https:';
  if (!isProtected && !(issuer.protocol === 'http:' && isLoopback(issuer.hostname)))
    return refuse('must begin with https://');
  if (issuer.search + issuer.hash + issuer.username !== '')
    return refuse('must have no query, fragment or user');
  return issuer;
};

const scopesIn: OptionReader<readonly string[]> = (value, refuse) => {
  const scopes = list(value, refuse);
  return scopes.includes('openid') ? scopes : refuse('must have "openid"');
};

/** Returns the error of a file with the secret of the client. */
export const refuseSecret = (message: string): RuntimeError =>
  new RuntimeError('INVALID_REQUEST', `The file of oidc.clientSecretFile ${message}`);

/** Reads the option `oidc`. @throws INVALID_REQUEST a field is unknown or not suitable; the message names it */
export const readOidc = (value: unknown, folder: string): ResolvedOidc => {
  const { name, ...rest } = readOptions<Omit<ResolvedOidc, 'name'> & { name: string | null }>('oidc', value, {
    issuer: issuerIn,
    clientId: text,
    clientSecretFile: optional((path, refuse) => resolve(folder, text(path, refuse)), null),
    name: optional(text, null),
    nameClaim: optional(text, 'email'),
    groupsClaim: optional(text, 'groups'),
    scopes: optional(scopesIn, ['openid', 'email', 'profile']),
    timeoutMs: optional(wholeNumber(1, 60_000), 10_000),
  });
  return { ...rest, name: name ?? rest.issuer.host };
};
