import { type ClientFlags, runClientCommand } from '../client-command.ts';
import type { Output } from '../output.ts';
import { fieldList } from '../table.ts';
import { storedText } from '../worker-text.ts';
import { diagnosticLine } from './diagnostics.ts';

/** The number of diagnostics shown next to their count. */
const SHOWN_DIAGNOSTICS = 2;

export const status = (flags: ClientFlags, output: Output): Promise<void> =>
  runClientCommand(flags, output, async (command) => {
    const runtime = await command.client.summary();
    const { total, ...counts } = runtime.workers;
    const { items: newest } =
      command.isJson || runtime.diagnostics === 0
        ? { items: [] }
        : await command.client.diagnostics({ limit: SHOWN_DIAGNOSTICS });
    command.answer(runtime, (columns) =>
      fieldList(
        [
          ['runtime', runtime.runtimeId],
          ['name', runtime.displayName],
          ['status', runtime.status],
          [
            'store',
            `${runtime.store.kind}${runtime.store.durable ? '' : ', lost at exit'}${runtime.store.healthy ? '' : ', unhealthy'}`,
          ],
          ['engines', runtime.engines.map(({ name }) => name).join(', ') || 'none'],
          ['stored', storedText(runtime.store)],
          [
            'workers',
            `${total}${Object.entries(counts)
              .filter(([, count]) => count > 0)
              .map(([name, count]) => `, ${count} ${name}`)
              .join('')}`,
          ],
          [
            'diagnostics',
            `${runtime.diagnostics}${newest.length > 0 ? ', list them with: worker-runtime diagnostics' : ''}`,
          ],
          ...newest.map(
            (item) =>
              [
                '',
                `${item.time}  ${diagnosticLine(item)}${item.worker === null ? '' : `, ${item.worker}`}`,
              ] as const,
          ),
          ['since', runtime.startedAt],
          ['version', runtime.versions.runtime],
        ],
        columns,
      ),
    );
  });
