import { invalidRequest, limitTooLarge } from '@worker-runtime/core/plugin-kit';
import { assertSeesAll, type EmbedderRequest, type EmbedderRoute } from '@worker-runtime/plugin-http';
import { readAuditPage } from '../audit/audit-pages.ts';
import type { Member } from '../member.ts';
import { operation, queryParameter } from './operation.ts';

const DEFAULT_LINES = 100;
const MAX_LINES = 500;

/** Reads a query parameter that may occur once. @throws INVALID_REQUEST */
const textOf = ({ query }: EmbedderRequest, name: string): string | undefined => {
  const value = query[name];
  if (Array.isArray(value)) throw invalidRequest([{ pointer: `?${name}`, message: 'occurs more than once' }]);
  return value;
};

/** @throws INVALID_REQUEST · LIMIT_TOO_LARGE */
const limitOf = (request: EmbedderRequest): number => {
  const text = textOf(request, 'limit') ?? String(DEFAULT_LINES);
  if (!/^[1-9][0-9]{0,8}$/.test(text))
    throw invalidRequest([{ pointer: '?limit', message: 'must be a whole number, 1 or more' }]);
  if (Number(text) > MAX_LINES) throw limitTooLarge('auditLines', MAX_LINES);
  return Number(text);
};

/** The route with which those who administrate a workspace read its lines of the audit log. */
export const auditRoute = (path: string): EmbedderRoute => ({
  method: 'GET',
  path: '/v1/audit',
  permission: 'admin',
  query: ['after', 'limit'],
  operation: operation(
    'listAuditLines',
    'Returns commands and refusals of the workspace, the newest first. A page may have fewer lines than asked for',
    200,
    'A page: items, and the cursor next for older lines, which is null at the end.',
    [queryParameter('after'), queryParameter('limit')],
  ),
  answer: async (request) => {
    const { workspace } = request.caller as Member;
    // a line names Workers, also those that do not exist for a part of the callers
    assertSeesAll(request.caller);
    const query = { after: textOf(request, 'after'), limit: limitOf(request) };
    return { status: 200, body: await readAuditPage(path, workspace.id, query) };
  },
});
