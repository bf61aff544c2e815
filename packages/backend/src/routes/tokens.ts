import type { IncomingMessage } from 'node:http';
import { RuntimeError } from '@worker-runtime/core';
import {
  isPermission,
  isSelection,
  PERMISSIONS,
  type Permission,
  type Scope,
} from '@worker-runtime/core/scope';
import type { EmbedderAnswer, EmbedderRoute } from '@worker-runtime/plugin-http';
import type { BackendAccess } from '../backend-access.ts';
import type { Credentials, Kept } from '../people/credentials.ts';
import type { Person } from '../people/person.ts';
import { ownOperation, pathParameter, requestOf, TEXT } from './operation.ts';
import { fieldsOf, refuseField, timeOf } from './route-body.ts';

export const publicToken = ({ id, label, limit, createdAt, expiresAt, usedAt }: Kept) => ({
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

/** Reads the name and the permissions of a token to create. @throws INVALID_REQUEST */
export const namedPermissions = (
  name: unknown,
  permission: unknown,
): Pick<TokenRequest, 'name' | 'permissions'> => {
  if (typeof name !== 'string' || !TOKEN_NAME.test(name))
    return refuseField('name', `must match ${TOKEN_NAME.source}`);
  const permissions: readonly unknown[] = [permission].flat() as readonly unknown[];
  if (permissions.length === 0 || !permissions.every(isPermission))
    return refuseField('permission', `must be one or more of ${PERMISSIONS.join(', ')}`);
  return { name, permissions: PERMISSIONS.filter((one) => permissions.includes(one)) };
};

/** Every read of a list compares each Worker with each selector, and a request to a remote runtime has all of them in a header. */
const MAX_SELECTORS = 64;
const MAX_CHARS = 8_192;

const isSmall = (workers: Scope['workers']): boolean =>
  workers === '*' || (workers.length <= MAX_SELECTORS && JSON.stringify(workers).length <= MAX_CHARS);

const tokenRequestOf = (body: unknown): TokenRequest => {
  const {
    name,
    permission,
    workers = '*',
    expiresAt = null,
  } = fieldsOf(body, ['name', 'permission', 'workers', 'expiresAt']);
  const named = namedPermissions(name, permission);
  if (!isSelection(workers))
    return refuseField('workers', 'must be "*", or a list of selectors, each an object of labels');
  if (!isSmall(workers))
    return refuseField(
      'workers',
      `must have at most ${MAX_SELECTORS} selectors, and ${MAX_CHARS} characters as JSON`,
    );
  if (expiresAt === null) return { ...named, workers, expiresAt };
  const at = typeof expiresAt === 'string' && TIME.test(expiresAt) ? Date.parse(expiresAt) : Number.NaN;
  if (!(at > Date.now())) return refuseField('expiresAt', 'must be a time in the future, in ISO 8601, UTC');
  return { ...named, workers, expiresAt: at };
};

/** The routes with which a person manages API tokens. */
export const tokenRoutes = (access: BackendAccess, credentials: Credentials): readonly EmbedderRoute[] => {
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
  const self = { permission: 'public' } as const;
  return [
    {
      ...self,
      method: 'GET',
      path: '/v1/tokens',
      operation: ownOperation(
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
        ...ownOperation(
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
      operation: ownOperation(
        'deleteToken',
        'Ends an API token and its streams',
        204,
        'The token has ended.',
        [pathParameter('id')],
      ),
      answer: async ({ raw, path }) => {
        if (!(await credentials.endToken(personOf(raw), path.id ?? '')))
          throw new RuntimeError('ROUTE_NOT_FOUND', 'You have no such token');
        return { status: 204 };
      },
    },
  ];
};
