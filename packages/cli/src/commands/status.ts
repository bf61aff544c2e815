import type { Output } from '../output.ts';
import { type ClientFlags, inSession } from '../session.ts';
import { sheet } from '../table.ts';

export const status = (flags: ClientFlags, output: Output): Promise<void> =>
  inSession(flags, output, async (session) => {
    const runtime = await session.client.summary();
    const { total, ...counts } = runtime.workers;
    session.answer(runtime, () =>
      sheet([
        ['runtime', runtime.runtimeId],
        ['name', runtime.displayName],
        ['status', runtime.status],
        [
          'store',
          `${runtime.store.kind}${runtime.store.durable ? '' : ', lost at exit'}${runtime.store.healthy ? '' : ', in trouble'}`,
        ],
        ['engines', runtime.engines.map(({ name }) => name).join(', ') || 'none'],
        [
          'workers',
          `${total}${Object.entries(counts)
            .filter(([, count]) => count > 0)
            .map(([name, count]) => `, ${count} ${name}`)
            .join('')}`,
        ],
        ['diagnostics', String(runtime.diagnostics)],
        ['since', runtime.startedAt],
        ['version', runtime.versions.runtime],
      ]),
    );
  });
