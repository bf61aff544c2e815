import { type Page, RuntimeError, type RuntimeSummary } from '@worker-runtime/core';
import { sendPage } from '../wire/page.ts';
import { defined, Query } from '../wire/query.ts';
import type { Routes } from './context.ts';

/** True if a cursor is the beginning of a list. */
const isStart = (cursor: string): boolean => cursor === 'start' || cursor === '0';

/** Adds the list of the served runtimes, which has one item. Its id is the cursor after it. */
export const runtimesRoute: Routes = (app, { runtime }) => {
  app.get(
    '/v1/runtimes',
    { config: { permission: 'observe', query: ['after', 'limit'] } },
    async (request, reply) => {
      const query = new Query(request);
      query.count('limit');
      const after = query.text('after') ?? 'start';
      const summary = await runtime.summary();
      const isAfter = after === summary.runtimeId;
      if (!isAfter && !isStart(after)) throw new RuntimeError('CURSOR_INVALID');
      const page: Page<RuntimeSummary> = {
        items: isAfter ? [] : [summary],
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
        runtime.diagnostics(defined({ after: query.text('after'), limit: query.count('limit') })),
      );
      return sendPage(request, reply, page);
    },
  );
};
