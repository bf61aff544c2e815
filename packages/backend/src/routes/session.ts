import type { IncomingMessage } from 'node:http';
import { RuntimeError } from '@worker-runtime/core';
import type { EmbedderAnswer, EmbedderRequest, EmbedderRoute } from '@worker-runtime/plugin-http';
import type { BackendAccess } from '../backend-access.ts';
import { Cookie } from '../people/cookie.ts';
import { type Credentials, type Kept, SESSION_MS } from '../people/credentials.ts';
import { IdentityProvider, LOGIN_MS } from '../people/identity-provider.ts';
import { networkOf } from '../people/network.ts';
import type { OneTimeLinks } from '../people/one-time-links.ts';
import type { Person } from '../people/person.ts';
import type { RateLimit } from '../people/rate-limit.ts';
import { loginPage } from './login-page.ts';
import { operation, ownOperation, pageOperation, requestOf, TEXT } from './operation.ts';
import { fieldsOf, refuseField, timeOf } from './route-body.ts';

/** The longest time of a session from a provider. A new login then reads the groups of its person again. */
const PROVIDED_SESSION_MS = 12 * 3_600_000;

export interface SessionParts {
  readonly access: BackendAccess;
  readonly credentials: Credentials;
  readonly cookie: Cookie;
  readonly isSecure: boolean;
  readonly links: OneTimeLinks;
  readonly provider: IdentityProvider | null;
  readonly failedLogins: RateLimit;
}

export const publicSession = ({ id, kind, person, createdAt, expiresAt }: Kept) => ({
  id,
  kind,
  name: person.name,
  groups: person.groups,
  createdAt: timeOf(createdAt),
  expiresAt: timeOf(expiresAt),
});

/** The routes with which a person logs in and out: by a one-time link, or by an identity provider. */
export const sessionRoutes = (parts: SessionParts): readonly EmbedderRoute[] => {
  const { access, credentials, cookie, isSecure, links, provider, failedLogins } = parts;
  const page = loginPage(provider?.name ?? null);
  /** Returns the cookie of a login that was begun. Each has its own: a browser may begin several in its tabs. */
  const begunCookie = (state: string): Cookie =>
    new Cookie(`wr-login-${state.slice(0, 8)}`, LOGIN_MS, isSecure);
  const asked = (): IdentityProvider => {
    if (provider !== null) return provider;
    throw new RuntimeError('OPERATION_UNSUPPORTED', 'This backend has no identity provider; use a link');
  };
  const begin = async (): Promise<EmbedderAnswer> => {
    const { url, state, secret } = await asked().begin();
    return { status: 201, headers: { 'set-cookie': begunCookie(state).set(secret) }, body: { url } };
  };
  /** Returns the person of a link. @throws UNAUTHENTICATED */
  const linked = (code: unknown): Person => {
    const person = typeof code === 'string' ? links.redeem(code) : refuseField('code', 'must be a string');
    if (person !== null) return person;
    throw new RuntimeError('UNAUTHENTICATED', 'The link is used or too old; run: worker-runtime link');
  };
  const login = async ({ raw, body, from }: EmbedderRequest): Promise<EmbedderAnswer> => {
    const client = networkOf(from);
    const { code, answer } = fieldsOf(body, ['code', 'answer']);
    if (answer === undefined) {
      const person = await failedLogins.attempt(client, () => linked(code));
      return opened(raw, person, [], SESSION_MS);
    }
    if (typeof answer !== 'string') return refuseField('answer', 'must be a string');
    const state = IdentityProvider.stateIn(answer);
    const own = state === null ? null : begunCookie(state);
    const person = await failedLogins.attempt(client, () => asked().finish(answer, own?.of(raw) ?? null));
    return opened(raw, person, own === null ? [] : [own.cleared], PROVIDED_SESSION_MS);
  };
  const opened = async (
    raw: IncomingMessage,
    person: Person,
    cleared: readonly string[],
    lifeMs: number,
  ): Promise<EmbedderAnswer> => {
    const { secret, credential } = await credentials.createSession(person, lifeMs);
    access.loggedIn(raw, credential);
    return {
      status: 201,
      headers: { 'set-cookie': [cookie.set(secret), ...cleared] },
      body: publicSession(credential.kept),
    };
  };
  const logout = async (raw: IncomingMessage): Promise<EmbedderAnswer> => {
    const credential = access.authenticate(raw);
    if (credential.kept.kind === 'local')
      throw new RuntimeError('FORBIDDEN', 'The token for programs on this machine ends with the backend');
    await credentials.end(credential);
    return { status: 204, headers: { 'set-cookie': cookie.cleared } };
  };
  const self = { permission: 'public' } as const;
  return [
    {
      ...self,
      method: 'GET',
      path: '/login',
      // an identity provider adds parameters of its own
      query: 'any',
      operation: pageOperation(
        'readLoginPage',
        'Returns the page that exchanges a one-time link, or the answer of the identity provider, for a session',
      ),
      answer: () => ({ status: 200, headers: page.headers, body: page.html }),
    },
    {
      ...self,
      method: 'POST',
      path: '/v1/login',
      operation: operation(
        'beginLogin',
        'Begins a login with the identity provider, and returns the address of its page',
        201,
        'The address.',
      ),
      answer: () => begin(),
    },
    {
      ...self,
      method: 'POST',
      path: '/v1/session',
      operation: {
        ...operation(
          'login',
          'Exchanges the code of a one-time link, or the answer of the identity provider, for the cookie of a session',
          201,
          'The session.',
        ),
        ...requestOf({ code: TEXT, answer: TEXT }, []),
      },
      answer: login,
    },
    {
      ...self,
      method: 'GET',
      path: '/v1/session',
      operation: ownOperation(
        'getSession',
        'Returns the session or the API token of the caller',
        200,
        'The session.',
      ),
      answer: ({ raw }) => ({ status: 200, body: publicSession(access.authenticate(raw).kept) }),
    },
    {
      ...self,
      method: 'DELETE',
      path: '/v1/session',
      operation: ownOperation(
        'logout',
        'Ends the session or the API token of the caller, and its streams',
        204,
        'It has ended.',
      ),
      answer: ({ raw }) => logout(raw),
    },
  ];
};
