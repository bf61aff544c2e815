import { type Page, RuntimeError, type RuntimeSummary } from '@worker-runtime/core';
import { sendPage } from '../wire/page.ts';
import { defined, Query } from '../wire/query.ts';
import type { Routes } from './context.ts';

/** True if a cursor is the beginning of a list. */
const isStart = (cursor: string): boolean => cursor === 'start' || cursor === '0';

/** The form of a runtime's id. The id of another runtime is a cursor too, since the list is sorted by id. */
const RUNTIME_ID = /^runtime_[0-9a-z]{26}$/;

/** Adds the list of the served runtimes, which has one item. Its id is the cursor after it. */
export const runtimesRoute: Routes = (app, { runtime }) => {
  app.get(
    '/v1/runtimes',
    { config: { permission: 'observe', query: ['after', 'limit'] } },
    async (request, reply) => {
      const query = new Query(request);
      query.limit(runtime.limits);
      const after = query.text('after') ?? 'start';
      const summary = await runtime.summary();
      if (!isStart(after) && after !== summary.runtimeId && !RUNTIME_ID.test(after))
        throw new RuntimeError('CURSOR_INVALID');
      const page: Page<RuntimeSummary> = {
        items: isStart(after) || after < summary.runtimeId ? [summary] : [],
        next: null,
        asOf: summary.runtimeId,
      };
      return sendPage(request, reply, page);
    },
  );
};

/** Adds the summary and the diagnostics of the runtime. */
export const runtimeRoutes: Routes = (app, { runtime, reads }) => {
  app.get('', { config: { permission: 'observe' } }, async () => runtime.summary());

  app.get(
    '/diagnostics',
    { config: { permission: 'observe', query: ['after', 'limit'] } },
    async (request, reply) => {
      const query = new Query(request);
      const page = await reads.run(() =>
        runtime.diagnostics(defined({ after: query.text('after'), limit: query.limit(runtime.limits) })),
      );
      return sendPage(request, reply, page);
    },
  );
};
