import type { IncomingMessage } from 'node:http';
import { RuntimeError } from '@worker-runtime/core';
import type { EmbedderAnswer, EmbedderRoute } from '@worker-runtime/plugin-http';
import type { BackendAccess } from '../backend-access.ts';
import type { Cookie } from '../people/cookie.ts';
import type { Credential, Credentials, Kept } from '../people/credentials.ts';
import { ownOperation, pathParameter } from './operation.ts';
import { timeOf } from './route-body.ts';

const listed = ({ id, createdAt, expiresAt, usedAt }: Kept, current: Credential) => ({
  id,
  createdAt: timeOf(createdAt),
  expiresAt: timeOf(expiresAt),
  usedAt: timeOf(usedAt),
  isCurrent: id === current.kept.id,
});

/** The routes with which a person sees and ends the sessions that are open for the same person. */
export const ownSessionRoutes = (
  access: BackendAccess,
  credentials: Credentials,
  cookie: Cookie,
): readonly EmbedderRoute[] => {
  /** Returns the credential of a request about sessions. */
  const senderOf = (raw: IncomingMessage): Credential => {
    const credential = access.authenticate(raw);
    if (credential.kept.kind !== 'token') return credential;
    throw new RuntimeError('FORBIDDEN', 'An API token cannot manage sessions; log in');
  };
  const end = async (raw: IncomingMessage, id: string): Promise<EmbedderAnswer> => {
    const sender = senderOf(raw);
    if (!(await credentials.endSession(sender.kept.person, id)))
      throw new RuntimeError('ROUTE_NOT_FOUND', 'You have no such session');
    return { status: 204, ...(id === sender.kept.id && { headers: { 'set-cookie': cookie.cleared } }) };
  };
  const endOthers = async (raw: IncomingMessage): Promise<EmbedderAnswer> => {
    await credentials.endOtherSessions(senderOf(raw));
    return { status: 204 };
  };
  const self = { permission: 'public' } as const;
  return [
    {
      ...self,
      method: 'GET',
      path: '/v1/sessions',
      operation: ownOperation(
        'listSessions',
        'Lists the sessions of the person who calls, the newest first',
        200,
        'The sessions, without their secrets. `usedAt` is exact to ten minutes.',
      ),
      answer: ({ raw }) => {
        const sender = senderOf(raw);
        const items = credentials.sessionsOf(sender.kept.person).map((kept) => listed(kept, sender));
        return { status: 200, body: { items } };
      },
    },
    {
      ...self,
      method: 'DELETE',
      path: '/v1/sessions',
      operation: ownOperation(
        'endOtherSessions',
        'Ends all sessions of the person who calls, except for the one of the call',
        204,
        'They have ended.',
      ),
      answer: ({ raw }) => endOthers(raw),
    },
    {
      ...self,
      method: 'DELETE',
      path: '/v1/sessions/:id',
      operation: ownOperation('endSession', 'Ends a session and its streams', 204, 'The session has ended.', [
        pathParameter('id'),
      ]),
      answer: ({ raw, path }) => end(raw, path.id ?? ''),
    },
  ];
};
