import { hash, randomBytes } from 'node:crypto';
import { type Logger, RuntimeError } from '@worker-runtime/core';
import { readOwnedFile, SecretFile } from '@worker-runtime/core/plugin-kit';
import {
  AuthorizationResponseError,
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  ClientSecretPost,
  type Configuration,
  calculatePKCECodeChallenge,
  customFetch,
  discovery,
  enableNonRepudiationChecks,
  fetchUserInfo,
  None,
  ResponseBodyError,
} from 'openid-client';
import { boundedFetch } from './bounded-fetch.ts';
import { type ResolvedOidc, refuseSecret } from './oidc-config.ts';
import { assertPerson, OPERATORS, type Person } from './person.ts';
import { UsedOnce } from './used-once.ts';

/** The time that a person has for the pages of the provider. */
export const LOGIN_MS = 600_000;
/** The description of the provider is used again for this time to begin logins. Each login ends with a new one. */
const DESCRIPTION_MS = 60_000;
const MAX_ANSWER_CHARS = 8_192;
const SECRET = /^[\w-]{43}$/;

/** A login that was begun. */
export interface BegunLogin {
  /** The page of the provider, to which the browser goes. */
  readonly url: string;
  /** Identifies the login in the answer of the provider. */
  readonly state: string;
  /** A secret of the browser that began the login. The state, the nonce and the verifier follow from it. */
  readonly secret: string;
}

type Part = 'state' | 'nonce' | 'verifier';

/** Returns a part of a login. Each part has the form of a code verifier (RFC 7636), and reveals no other. */
const partOf = (secret: string, part: Part): string => hash('sha256', `${part} of ${secret}`, 'base64url');

const unavailable = (message: string, cause: unknown): RuntimeError =>
  new RuntimeError('LOGIN_UNAVAILABLE', message, { cause });

/** Logs people in with an identity provider, by OpenID Connect: a code with PKCE, and a signed token with their claims. */
export class IdentityProvider {
  readonly #config: ResolvedOidc;
  readonly #redirectUri: () => string;
  readonly #log: Logger;
  /** Null for a public client. */
  readonly #secret: SecretFile<string> | null;
  readonly #used = new UsedOnce(LOGIN_MS);
  #description: { readonly at: number; readonly value: Promise<Configuration> } | null = null;

  private constructor(config: ResolvedOidc, redirectUri: () => string, log: Logger) {
    const { clientSecretFile: file } = config;
    this.#config = config;
    this.#redirectUri = redirectUri;
    this.#log = log;
    this.#secret = file === null ? null : new SecretFile(file, secretIn, refuseSecret, log);
  }

  /** @throws INVALID_REQUEST the secret of the client cannot be read, or other users can read it too */
  static async open(config: ResolvedOidc, redirectUri: () => string, log: Logger): Promise<IdentityProvider> {
    const provider = new IdentityProvider(config, redirectUri, log);
    const { clientSecretFile: file } = config;
    if (file !== null) await readOwnedFile(file, 'access', refuseSecret);
    await provider.#secret?.read();
    return provider;
  }

  get name(): string {
    return this.#config.name;
  }

  /** Asks the provider for its description, so that the log reports at the start that it is missing. */
  async check(): Promise<void> {
    // the failure is in the log, and the first login asks again
    await this.#describe(DESCRIPTION_MS).catch(() => {});
  }

  /** Begins a login. @throws LOGIN_UNAVAILABLE the provider does not answer */
  async begin(): Promise<BegunLogin> {
    const description = await this.#describe(DESCRIPTION_MS);
    const secret = randomBytes(32).toString('base64url');
    const state = partOf(secret, 'state');
    const url = buildAuthorizationUrl(description, {
      redirect_uri: this.#redirectUri(),
      scope: this.#config.scopes.join(' '),
      state,
      nonce: partOf(secret, 'nonce'),
      code_challenge: await calculatePKCECodeChallenge(partOf(secret, 'verifier')),
      code_challenge_method: 'S256',
    });
    return { url: url.href, state, secret };
  }

  /** Returns the state in an answer of the provider; null if it has none. */
  static stateIn(answer: string): string | null {
    const state = new URLSearchParams(answer).get('state');
    return state !== null && SECRET.test(state) ? state : null;
  }

  /**
   * Ends a login with the answer of the provider: the query with which it has sent the browser back.
   * @throws UNAUTHENTICATED the answer belongs to no login of this browser, is used, or is not valid · FORBIDDEN the provider
   * says too little about the person · LOGIN_UNAVAILABLE the provider does not answer, or refuses this backend
   */
  async finish(answer: string, secret: string | null): Promise<Person> {
    const state = IdentityProvider.stateIn(answer);
    if (answer.length > MAX_ANSWER_CHARS || secret === null || !SECRET.test(secret) || state === null)
      throw notBegun();
    if (partOf(secret, 'state') !== state || !this.#used.use(state)) throw notBegun();
    const redirected = new URL(this.#redirectUri());
    redirected.search = answer;
    const description = await this.#describe(0);
    try {
      return this.#personOf(await this.#claimsOf(description, redirected, secret));
    } catch (error) {
      this.#failed(error, 'a login with the identity provider failed');
      throw refusalOf(error);
    }
  }

  async #claimsOf(
    description: Configuration,
    redirected: URL,
    secret: string,
  ): Promise<Readonly<Record<string, unknown>>> {
    const { nameClaim, groupsClaim } = this.#config;
    const tokens = await authorizationCodeGrant(description, redirected, {
      expectedState: partOf(secret, 'state'),
      expectedNonce: partOf(secret, 'nonce'),
      pkceCodeVerifier: partOf(secret, 'verifier'),
      idTokenExpected: true,
    });
    const claims: Readonly<Record<string, unknown>> = tokens.claims() ?? {};
    const isComplete = nameClaim in claims && groupsClaim in claims;
    if (isComplete || description.serverMetadata().userinfo_endpoint === undefined) return claims;
    // some providers keep the signed token short
    const more = await fetchUserInfo(description, tokens.access_token, String(claims.sub));
    const { [nameClaim]: name = claims[nameClaim] } = more;
    // what else one answer says about the person must not count for the name in the other one
    if (nameClaim in claims && name !== claims[nameClaim])
      throw new RuntimeError('FORBIDDEN', 'The identity provider gives this person two names');
    return { ...more, ...claims };
  }

  /** @throws FORBIDDEN the claims name no person */
  #personOf(claims: Readonly<Record<string, unknown>>): Person {
    const { nameClaim, groupsClaim } = this.#config;
    const { [nameClaim]: name, [groupsClaim]: groups = [] } = claims;
    if (nameClaim === 'email' && claims.email_verified !== true)
      throw new RuntimeError(
        'FORBIDDEN',
        'The identity provider has not verified the address of this person; oidc.nameClaim selects another claim',
      );
    try {
      const { groups: all, ...person } = assertPerson({ name, groups: [groups].flat() });
      // that group is of those who start the backend, and not of a group of the provider with the same name
      return { ...person, groups: all.filter((group) => group !== OPERATORS) };
    } catch (error) {
      throw new RuntimeError(
        'FORBIDDEN',
        `The claims "${nameClaim}" and "${groupsClaim}" of the identity provider are not suitable: ${RuntimeError.from(error).message}`,
      );
    }
  }

  /** Returns the description of the provider, at most as old as given. @throws LOGIN_UNAVAILABLE */
  #describe(maxAgeMs: number): Promise<Configuration> {
    const now = performance.now();
    if (this.#description !== null && now - this.#description.at < maxAgeMs) return this.#description.value;
    const asked = this.#discover().catch((cause: unknown) => {
      if (this.#description?.value === asked) this.#description = null;
      this.#failed(cause, 'the identity provider cannot be used; links and API tokens work without it');
      throw unavailable('The identity provider cannot be used at present; try again later', cause);
    });
    this.#description = { at: now, value: asked };
    return asked;
  }

  async #discover(): Promise<Configuration> {
    const { issuer, clientId, timeoutMs } = this.#config;
    const secret = (await this.#secret?.read()) ?? null;
    return discovery(issuer, clientId, undefined, secret === null ? None() : ClientSecretPost(secret), {
      timeout: timeoutMs / 1_000,
      [customFetch]: boundedFetch,
      execute: [
        enableNonRepudiationChecks,
        // the configuration allows it for this machine only
        ...(issuer.protocol === 'http:' ? [allowInsecureRequests] : []),
      ],
    });
  }

  #failed(error: unknown, message: string): void {
    this.#log.warn({ issuer: this.#config.issuer.href, reason: reasonOf(error) }, message);
  }
}

const secretIn = (text: string): string => {
  const secret = text.trim();
  if (secret === '') throw refuseSecret('is empty');
  return secret;
};

/** Returns an error and its causes. */
const chainOf = (error: unknown): readonly Error[] => {
  const chain: Error[] = [];
  for (let one = error; one instanceof Error && chain.length < 5; one = one.cause) chain.push(one);
  return chain;
};

/** Returns the messages of an error and its causes. Their data may have tokens, and are left out. */
const reasonOf = (error: unknown): string =>
  chainOf(error)
    .map((one) => {
      const { code } = one as { readonly code?: unknown };
      return typeof code === 'string' ? `${one.message} (${code})` : one.message;
    })
    .join(': ');

const notBegun = (): RuntimeError =>
  new RuntimeError('UNAUTHENTICATED', 'This login was not begun in this browser, or is used; begin again');

/** Returns the error of a login for its person. What the provider said is in the cause, for the log. */
const refusalOf = (error: unknown): RuntimeError => {
  if (error instanceof RuntimeError) return error;
  if (error instanceof AuthorizationResponseError)
    return new RuntimeError('UNAUTHENTICATED', 'The identity provider has refused the login', {
      cause: error,
    });
  if (error instanceof ResponseBodyError)
    return error.error === 'invalid_grant'
      ? new RuntimeError('UNAUTHENTICATED', 'The login is used or too old; begin again', { cause: error })
      : unavailable('The identity provider refuses this backend; its log has the reason', error);
  const { code } = Object(error) as { readonly code?: unknown };
  const isNoAnswer =
    code === 'OAUTH_TIMEOUT' ||
    code === 'OAUTH_RESPONSE_IS_NOT_CONFORM' ||
    // the head of the answer came, and the rest did not
    chainOf(error).some(({ name }) => name === 'TimeoutError') ||
    (error instanceof TypeError && code === undefined);
  return isNoAnswer
    ? unavailable('The identity provider cannot be used at present; try again later', error)
    : new RuntimeError(
        'UNAUTHENTICATED',
        'The answer of the identity provider is not valid; the log has the reason',
        {
          cause: error,
        },
      );
};
