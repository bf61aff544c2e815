import { DEFAULT_LIMITS, type Page, RuntimeError } from '@worker-runtime/core';
import type { RuntimeEntry } from '@worker-runtime/core/plugin-kit';
import { sendPage } from '../wire/page.ts';
import { defined, Query } from '../wire/query.ts';
import type { Routes } from './context.ts';

/** True if a cursor is the beginning of a list. */
const isStart = (cursor: string): boolean => cursor === 'start' || cursor === '0';

/** The position after the runtime of this name. A runtime need not have the name, since the list is sorted by name. */
const CURSOR = /^n\.([A-Za-z0-9][A-Za-z0-9._-]{0,63})$/;

/** Adds the list of the runtimes that the caller may use. */
export const runtimesRoute: Routes = (app, { directory }) => {
  app.get('/v1/runtimes', { permission: 'observe', query: ['after', 'limit'] }, async (request, reply) => {
    const query = new Query(request);
    const limits = directory.limits ?? DEFAULT_LIMITS;
    const limit = query.limit(limits) ?? limits.pageItemsDefault;
    const after = query.text('after') ?? 'start';
    const name = isStart(after) ? '' : CURSOR.exec(after)?.[1];
    if (name === undefined) throw new RuntimeError('CURSOR_INVALID');
    const rest = (await directory.entries(request.caller)).filter((entry) => entry.name > name);
    const items = rest.slice(0, limit);
    const asOf = items.length === 0 ? after : `n.${items.at(-1)?.name}`;
    const page: Page<RuntimeEntry> = { items, next: rest.length > items.length ? asOf : null, asOf };
    return sendPage(request, reply, page);
  });
};

/** Adds the summary and the diagnostics of the runtime. */
export const runtimeRoutes: Routes = (app, { reads }) => {
  app.get('', { permission: 'observe' }, async (request) => request.served.summary());

  app.get('/diagnostics', { permission: 'observe', query: ['after', 'limit'] }, async (request, reply) => {
    const { served } = request;
    const query = new Query(request);
    const page = await reads.run(() =>
      served.diagnostics(defined({ after: query.text('after'), limit: query.limit(served.limits) })),
    );
    return sendPage(request, reply, page);
  });
};
