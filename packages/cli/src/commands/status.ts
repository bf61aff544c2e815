import { type ClientFlags, inSession } from '../client-command.ts';
import type { Output } from '../output.ts';
import { sheet } from '../table.ts';
import { gistOf } from './diagnostics.ts';

/** How much of the trouble is shown beside its count. */
const NEWEST = 2;

export const status = (flags: ClientFlags, output: Output): Promise<void> =>
  inSession(flags, output, async (session) => {
    const runtime = await session.client.summary();
    const { total, ...counts } = runtime.workers;
    const { items: newest } =
      session.isJson || runtime.diagnostics === 0
        ? { items: [] }
        : await session.client.diagnostics({ limit: NEWEST });
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
        [
          'diagnostics',
          `${runtime.diagnostics}${newest.length > 0 ? ', see worker-runtime diagnostics' : ''}`,
        ],
        ...newest.map(
          (item) =>
            ['', `${item.time}  ${gistOf(item)}${item.worker === null ? '' : `, ${item.worker}`}`] as const,
        ),
        ['since', runtime.startedAt],
        ['version', runtime.versions.runtime],
      ]),
    );
  });
