import type { Scope } from './scope.ts';

/**
 * The claims of a signed token with which an issuer, such as a backend, calls a runtime on behalf of a caller. The token is a
 * JWT (RFC 7519), signed with EdDSA, and its header has the type `wr+jwt`. Times are in whole seconds since 1970.
 */
export interface Authority {
  /** The issuer, as the runtime's list of issuers names it. */
  readonly iss: string;
  /** The `runtimeId` of the only runtime that accepts the token. */
  readonly aud: string;
  /** The name of the caller: the actor of its commands. */
  readonly sub: string;
  readonly iat: number;
  /** The end of the token: at most 120 s after `iat`. A request that begins before it is served. */
  readonly exp: number;
  /** The end of the streams that the token opens: at most an hour after `iat`. */
  readonly streamExp: number;
  readonly scope: Scope;
}

/**
 * The critical header parameter (RFC 7515, 4.1.11) of a token whose scope has an allowance. A runtime that does not know
 * allowances refuses such a token, instead of ignoring the allowance.
 */
export const ALLOWANCE_HEADER = 'wr-allowance';
