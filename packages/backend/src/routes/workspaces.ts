import type { JsonObject } from '@worker-runtime/core';
import type { EmbedderRoute } from '@worker-runtime/plugin-http';
import type { BackendAccess } from '../backend-access.ts';
import { IDENTIFIED, pathParameter, TEXT } from './operation.ts';

const WORKSPACES: JsonObject = {
  type: 'object',
  properties: {
    items: {
      type: 'array',
      items: { type: 'object', properties: { id: TEXT, name: TEXT }, required: ['id', 'name'] },
    },
  },
  required: ['items'],
};

/** The routes with which a person finds the workspaces, and the console of one without the slash at its end. */
export const workspaceRoutes = (access: BackendAccess): readonly EmbedderRoute[] => [
  {
    method: 'GET',
    path: '/v1/workspaces',
    permission: 'public',
    operation: {
      operationId: 'listWorkspaces',
      tags: ['Server'],
      summary: 'Lists the workspaces that exist for the caller',
      security: IDENTIFIED,
      parameters: [],
      responses: {
        200: { description: 'The workspaces.', content: { 'application/json': { schema: WORKSPACES } } },
      },
    },
    answer: async ({ raw }) => {
      const workspaces = await access.workspacesOf(access.authenticate(raw));
      return { status: 200, body: { items: workspaces.map(({ id, name }) => ({ id, name })) } };
    },
  },
  {
    method: 'GET',
    path: '/w/:workspace',
    permission: 'public',
    operation: {
      operationId: 'openWorkspace',
      tags: ['Server'],
      summary: 'Redirects to the console of a workspace, whose address ends with a slash',
      parameters: [pathParameter('workspace')],
      responses: { 308: { description: 'The address of the console.' } },
    },
    answer: ({ path }) => ({
      status: 308,
      headers: { location: `/w/${encodeURIComponent(path.workspace ?? '')}/` },
    }),
  },
];
