import type { IncomingMessage } from 'node:http';
import { RuntimeError } from '@worker-runtime/core';
import type { EmbedderAnswer, EmbedderRoute } from '@worker-runtime/plugin-http';
import type { BackendAccess } from '../backend-access.ts';
import { assertPerson, type Person } from '../people/person.ts';
import { ownOperation, requestOf, TEXT } from './operation.ts';
import { fieldsOf, timeOf } from './route-body.ts';

/** Creates a one-time link. */
export type LinkOf = (person: Person) => { readonly url: string; readonly expiresAt: number };

/** The route with which programs on this machine make one-time links. */
export const linkRoutes = (access: BackendAccess, linkOf: LinkOf): readonly EmbedderRoute[] => {
  const createLink = (raw: IncomingMessage, body: unknown): EmbedderAnswer => {
    const { kind, person } = access.authenticate(raw).kept;
    if (kind !== 'local')
      throw new RuntimeError('FORBIDDEN', 'Only programs on the machine of the backend may make links');
    const { name = person.name, groups } = fieldsOf(body, ['name', 'groups']);
    const own = name === person.name ? person.groups : [];
    const { url, expiresAt } = linkOf(assertPerson({ name, groups: groups ?? own }));
    return { status: 201, body: { url, expiresAt: timeOf(expiresAt) } };
  };
  return [
    {
      method: 'POST',
      path: '/v1/links',
      permission: 'public',
      operation: {
        ...ownOperation(
          'createLink',
          'Creates a one-time link; for programs on the machine of the backend',
          201,
          'The link.',
        ),
        ...requestOf({ name: TEXT, groups: { type: 'array', items: TEXT } }, []),
      },
      answer: ({ raw, body }) => createLink(raw, body),
    },
  ];
};
