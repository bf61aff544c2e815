import type { IncomingMessage } from 'node:http';
import { type JsonObject, RuntimeError, version } from '@worker-runtime/core';
import { invalidRequest, isObject } from '@worker-runtime/core/plugin-kit';
import {
  isPermission,
  isSelection,
  PERMISSIONS,
  type Permission,
  type Scope,
} from '@worker-runtime/core/scope';
import type { EmbedderAnswer, EmbedderRoute } from '@worker-runtime/plugin-http';
import type { BackendAccess } from './backend-access.ts';
import type { SessionCookie } from './cookie.ts';
import type { Credentials, Kept } from './credentials.ts';
import { FailedLogins } from './failed-logins.ts';
import { LOGIN_PAGE, LOGIN_POLICY } from './login-page.ts';
import type { Member } from './member.ts';
import type { OneTimeLinks } from './one-time-links.ts';
import { assertPerson, type Person } from './person.ts';

export interface RouteParts {
  readonly access: BackendAccess;
  readonly credentials: Credentials;
  readonly cookie: SessionCookie;
  readonly links: OneTimeLinks;
  /** Creates a one-time link. */
  readonly linkOf: (person: Person) => { readonly url: string; readonly expiresAt: number };
}

const timeOf = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

/** Returns the fields of a body. @throws INVALID_REQUEST no object, or an unknown field */
const fieldsOf = (body: unknown, known: readonly string[]): Readonly<Record<string, unknown>> => {
  if (!isObject(body)) throw invalidRequest([{ pointer: '', message: 'must be an object' }]);
  for (const name of Object.keys(body))
    if (!known.includes(name))
      throw invalidRequest([
        { pointer: `/${name.slice(0, 64)}`, message: `is unknown; the fields are ${known.join(', ')}` },
      ]);
  return body;
};

const publicSession = ({ id, kind, person, createdAt, expiresAt }: Kept) => ({
  id,
  kind,
  name: person.name,
  groups: person.groups,
  createdAt: timeOf(createdAt),
  expiresAt: timeOf(expiresAt),
});

const publicToken = ({ id, label, limit, createdAt, expiresAt, usedAt }: Kept) => ({
  id,
  name: label,
  permissions: limit?.permissions ?? [],
  workers: limit?.workers ?? '*',
  createdAt: timeOf(createdAt),
  expiresAt: timeOf(expiresAt),
  usedAt: timeOf(usedAt),
});

interface TokenRequest {
  readonly name: string;
  readonly permissions: readonly Permission[];
  readonly workers: Scope['workers'];
  readonly expiresAt: number | null;
}

const TOKEN_NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?Z$/;

const tokenRequestOf = (body: unknown): TokenRequest => {
  const {
    name,
    permission,
    workers = '*',
    expiresAt = null,
  } = fieldsOf(body, ['name', 'permission', 'workers', 'expiresAt']);
  const refuse = (field: string, message: string): never => {
    throw invalidRequest([{ pointer: `/${field}`, message }]);
  };
  if (typeof name !== 'string' || !TOKEN_NAME.test(name))
    return refuse('name', `must match ${TOKEN_NAME.source}`);
  const permissions: readonly unknown[] = [permission].flat();
  if (permissions.length === 0 || !permissions.every(isPermission))
    return refuse('permission', `must be one or more of ${PERMISSIONS.join(', ')}`);
  if (!isSelection(workers))
    return refuse('workers', 'must be "*", or a list of selectors, each an object of labels');
  if (expiresAt === null) return { name, permissions, workers, expiresAt };
  const at = typeof expiresAt === 'string' && TIME.test(expiresAt) ? Date.parse(expiresAt) : Number.NaN;
  if (!(at > Date.now())) return refuse('expiresAt', 'must be a time in the future, in ISO 8601, UTC');
  return { name, permissions, workers, expiresAt: at };
};

const contentOf = (schema: JsonObject): JsonObject => ({ 'application/json': { schema } });

const operation = (id: string, summary: string, status: number, description: string): JsonObject => ({
  operationId: id,
  tags: ['Server'],
  summary,
  parameters: [],
  responses: { [status]: { description, ...(status !== 204 && { content: contentOf({ type: 'object' }) }) } },
});

const requestOf = (properties: JsonObject, required: readonly string[]): JsonObject => ({
  requestBody: {
    required: true,
    content: contentOf({ type: 'object', properties, required, additionalProperties: false }),
  },
});

const TEXT = { type: 'string' };

/** The routes of people: login, sessions, API tokens, and what the backend is to its caller. */
export const backendRoutes = ({
  access,
  credentials,
  cookie,
  links,
  linkOf,
}: RouteParts): readonly EmbedderRoute[] => {
  const failedLogins = new FailedLogins();
  const login = async (raw: IncomingMessage, body: unknown): Promise<EmbedderAnswer> => {
    const { code } = fieldsOf(body, ['code']);
    if (typeof code !== 'string') throw invalidRequest([{ pointer: '/code', message: 'must be a string' }]);
    const address = raw.socket.remoteAddress ?? '';
    failedLogins.assertMayTry(address);
    const person = links.redeem(code);
    if (person === null) {
      failedLogins.failed(address);
      throw new RuntimeError('UNAUTHENTICATED', 'The link is used or too old; run: worker-runtime link');
    }
    const { secret, credential } = await credentials.createSession(person);
    return {
      status: 201,
      headers: { 'set-cookie': cookie.set(secret) },
      body: publicSession(credential.kept),
    };
  };
  const logout = async (raw: IncomingMessage): Promise<EmbedderAnswer> => {
    const credential = access.authenticate(raw);
    if (credential.kept.kind !== 'session')
      throw new RuntimeError('FORBIDDEN', 'An API token has no session; delete the token');
    await credentials.end(credential);
    return { status: 204, headers: { 'set-cookie': cookie.cleared } };
  };
  /** Returns the sender of a request about API tokens. */
  const personOf = (raw: IncomingMessage): Person => {
    const { kind, person } = access.authenticate(raw).kept;
    if (kind === 'token')
      throw new RuntimeError('FORBIDDEN', 'An API token cannot manage API tokens; log in');
    return person;
  };
  const createToken = async (raw: IncomingMessage, body: unknown): Promise<EmbedderAnswer> => {
    const person = personOf(raw);
    const { name, permissions, workers, expiresAt } = tokenRequestOf(body);
    const { secret, credential } = await credentials.createToken(
      person,
      name,
      { permissions, workers },
      expiresAt,
    );
    return { status: 201, body: { ...publicToken(credential.kept), token: secret } };
  };
  const createLink = (raw: IncomingMessage, body: unknown): EmbedderAnswer => {
    const { kind, person } = access.authenticate(raw).kept;
    if (kind !== 'local')
      throw new RuntimeError('FORBIDDEN', 'Only programs on the machine of the backend may make links');
    const { name = person.name, groups } = fieldsOf(body, ['name', 'groups']);
    const own = name === person.name ? person.groups : [];
    const { url, expiresAt } = linkOf(assertPerson({ name, groups: groups ?? own }));
    return { status: 201, body: { url, expiresAt: timeOf(expiresAt) } };
  };
  const self = { permission: 'public' } as const;
  return [
    {
      ...self,
      method: 'GET',
      path: '/login',
      query: ['return'],
      operation: {
        operationId: 'readLoginPage',
        tags: ['Server'],
        summary: 'Returns the page that exchanges a one-time link for a session',
        parameters: [],
        responses: { 200: { description: 'Success.', content: { 'text/html': { schema: TEXT } } } },
      },
      answer: () => ({
        status: 200,
        headers: {
          'content-type': 'text/html; charset=utf-8',
          'content-security-policy': LOGIN_POLICY,
          'referrer-policy': 'no-referrer',
        },
        body: LOGIN_PAGE,
      }),
    },
    {
      ...self,
      method: 'POST',
      path: '/v1/session',
      operation: {
        ...operation(
          'login',
          'Exchanges the code of a one-time link for the cookie of a session',
          201,
          'The session.',
        ),
        ...requestOf({ code: TEXT }, ['code']),
      },
      answer: ({ raw, body }) => login(raw, body),
    },
    {
      ...self,
      method: 'GET',
      path: '/v1/session',
      operation: operation(
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
      operation: operation('logout', 'Ends the session and its streams', 204, 'The session has ended.'),
      answer: ({ raw }) => logout(raw),
    },
    {
      ...self,
      method: 'GET',
      path: '/v1/tokens',
      operation: operation(
        'listTokens',
        'Lists the API tokens of the caller',
        200,
        'The tokens, without their secrets.',
      ),
      answer: ({ raw }) => ({
        status: 200,
        body: { items: credentials.tokensOf(personOf(raw)).map(publicToken) },
      }),
    },
    {
      ...self,
      method: 'POST',
      path: '/v1/tokens',
      operation: {
        ...operation(
          'createToken',
          'Creates an API token, whose secret only this answer has',
          201,
          'The token.',
        ),
        ...requestOf({ name: TEXT, permission: {}, workers: {}, expiresAt: TEXT }, ['name', 'permission']),
      },
      answer: ({ raw, body }) => createToken(raw, body),
    },
    {
      ...self,
      method: 'DELETE',
      path: '/v1/tokens/:id',
      operation: {
        ...operation('deleteToken', 'Ends an API token and its streams', 204, 'The token has ended.'),
        parameters: [{ name: 'id', in: 'path', required: true, schema: TEXT }],
      },
      answer: async ({ raw, path }) => {
        if (!(await credentials.endToken(personOf(raw), path.id ?? '')))
          throw new RuntimeError('ROUTE_NOT_FOUND', 'You have no such token');
        return { status: 204 };
      },
    },
    {
      ...self,
      method: 'POST',
      path: '/v1/links',
      operation: {
        ...operation(
          'createLink',
          'Creates a one-time link; for programs on the machine of the backend',
          201,
          'The link.',
        ),
        ...requestOf({ name: TEXT, groups: { type: 'array', items: TEXT } }, []),
      },
      answer: ({ raw, body }) => createLink(raw, body),
    },
    {
      method: 'GET',
      path: '/v1/backend',
      permission: 'observe',
      operation: operation(
        'getBackend',
        'Returns the workspace, and what the caller may do in it',
        200,
        'The backend.',
      ),
      answer: ({ caller }) => ({ status: 200, body: aboutBackend(caller as Member) }),
    },
  ];
};

const aboutBackend = ({ workspace, scope, runtimes, credential }: Member): object => ({
  version,
  workspace: { id: workspace.id, name: workspace.name },
  caller: {
    ...publicSession(credential.kept),
    permissions: scope.permissions,
    workers: scope.workers,
    runtimes,
  },
  companion: workspace.companion,
});
