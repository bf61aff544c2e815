import type {
  Claim,
  JsonObject,
  OpenRequest,
  Overview,
  RuntimeApi,
  WorkerDetail,
  WorkerStatus,
} from '@worker-runtime/core';
import { type ClientFlags, runClientCommand } from '../client-command.ts';
import { defined } from '../defined.ts';
import { choicesOf } from '../display-text.ts';
import { usageError } from '../failure.ts';
import type { Output } from '../output.ts';
import { printableLine } from '../printable.ts';
import { fieldList, table } from '../table.ts';
import { statusOf, storedText, timeSince, waitOf, waitsOf } from '../worker-text.ts';

const runsOf = ({ runs }: Overview): string =>
  Object.entries(runs)
    .filter(([, count]) => count > 0)
    .map(([outcome, count]) => `${count} ${outcome}`)
    .join(', ');

const tokensOf = ({ usage }: Overview): string => `${usage.inputTokens} in, ${usage.outputTokens} out`;

const originOf = ({ workerId, seq, actor }: NonNullable<WorkerDetail['forkedFrom']>): string =>
  printableLine(`${workerId}, after event ${seq}${actor === null ? '' : `, by ${actor}`}`);

/** The calls of tools that are looked at, the newest first, for the names of those without a result. */
const CALLS_LOOKED_AT = 100;

const namesOfCalls = async (
  client: Pick<RuntimeApi, 'events'>,
  worker: WorkerDetail,
): Promise<ReadonlyMap<string, string>> => {
  if (!waitsOf(worker).some((wait) => wait.for === 'tools')) return new Map();
  const { items } = await client.events(worker.workerId, {
    before: 'end',
    limit: CALLS_LOOKED_AT,
    types: ['tool.called'],
  });
  return new Map(
    items.flatMap((event) =>
      event.type === 'tool.called' ? [[event.data.call, event.data.title ?? event.data.name]] : [],
    ),
  );
};

/** Describes what the work of a Worker waits for. `calls` are the names of tool calls. */
const waitText = (wait: WorkerDetail['waits'][number], calls: ReadonlyMap<string, string>): string => {
  const time = timeSince(wait.since);
  switch (wait.for) {
    case 'answer':
      return `an answer to ${wait.requestId}, for ${time}`;
    case 'tools':
      return `${wait.calls.map((call) => `"${calls.get(call) ?? call}"`).join(', ')}, for ${time}`;
    case 'engine':
      return `its engine, whose last output was ${time} ago`;
    case 'execution':
      return wait.error === null
        ? `its engine to be attached, for ${time}`
        : `its engine to be attached, for ${time}: ${wait.error.code}: ${wait.error.message}`;
    case 'run':
      return `the end of ${wait.runId} (${wait.inputs} queued), which has been active for ${time}`;
  }
};

const describe = (
  worker: WorkerDetail,
  overview: Overview | null,
  requests: readonly OpenRequest[],
  calls: ReadonlyMap<string, string>,
  columns: number | undefined,
): string =>
  fieldList(
    [
      ['worker', worker.workerId],
      ['name', worker.displayName === null ? null : printableLine(worker.displayName)],
      ['engine', worker.engine],
      ['status', statusOf(worker)],
      [
        'execution',
        `${worker.execution.connected ? 'connected' : 'not connected'}, generation ${worker.execution.generation}`,
      ],
      [
        'last error',
        worker.execution.lastError &&
          `${worker.execution.lastError.code}: ${worker.execution.lastError.message}`,
      ],
      ['run', worker.run && `${worker.run.runId}, active for ${timeSince(worker.run.startedAt)}`],
      ...waitsOf(worker).map((wait) => ['waits for', printableLine(waitText(wait, calls))] as const),
      ...requests.map(
        ({ prompt, options }) => ['asks', printableLine(`${prompt} (${choicesOf(options)})`)] as const,
      ),
      ['answer with', requests.length > 0 ? `worker-runtime attach ${worker.workerId}` : null],
      ['interrupted runs', worker.whenInterrupted === 'continue' ? 'are continued' : null],
      ['parent', worker.parent],
      [
        'labels',
        Object.entries(worker.labels)
          .map(([key, value]) => printableLine(`${key}=${value}`))
          .join(' ') || null,
      ],
      ['tools', worker.tools.join(' ') || null],
      ['claims', worker.claims.map(({ name, mode }) => `${name} (${mode})`).join(' ') || null],
      ['forked from', worker.forkedFrom && originOf(worker.forkedFrom)],
      ['created', worker.createdAt],
      ['updated', worker.updatedAt],
      ['events', String(worker.lastSeq)],
      ['stored', storedText(worker.stored)],
      [
        'archived',
        worker.archived ? `events before ${worker.archived.firstSeq}, in ${worker.archived.archive}` : null,
      ],
      ['runs', overview && (runsOf(overview) || null)],
      ['tokens', overview && tokensOf(overview)],
    ],
    columns,
  );

export const list = (
  flags: ClientFlags & {
    readonly status: WorkerStatus | undefined;
    readonly label: Readonly<Record<string, string>> | undefined;
    readonly parent: string | undefined;
    readonly usage: boolean | undefined;
    readonly limit: number | undefined;
    readonly after: string | undefined;
  },
  output: Output,
): Promise<void> =>
  runClientCommand(flags, output, async (command) => {
    const { status, parent, limit, after, label: labels, usage = false } = flags;
    const include = usage ? 'overview' : undefined;
    const page = await command.client.listWorkers(
      defined({ status, parent, limit, after, labels, include } as const),
    );
    command.answer(page, (columns) =>
      table(
        [
          'WORKER',
          'NAME',
          'ENGINE',
          'STATUS',
          'RUN FOR',
          'WAITS FOR',
          ...(usage ? ['RUNS', 'TOKENS'] : []),
          'UPDATED',
        ],
        page.items.map((worker) => [
          worker.workerId,
          printableLine(worker.displayName ?? '-'),
          worker.engine,
          statusOf(worker),
          worker.run === null ? '-' : timeSince(worker.run.startedAt),
          waitOf(worker),
          ...(worker.overview ? [runsOf(worker.overview) || '-', tokensOf(worker.overview)] : []),
          `${timeSince(worker.updatedAt)} ago`,
        ]),
        { columns },
      ),
    );
    if (page.next !== null && !command.isJson)
      command.remark(`more items are available: --after ${page.next}`);
  });

const claimsOf = ({
  claim = {},
  claimRead = {},
}: {
  readonly claim: Readonly<Record<string, string>> | undefined;
  readonly claimRead: Readonly<Record<string, string>> | undefined;
}): readonly Claim[] | undefined => {
  const written = Object.entries(claim).map(([name, resource]) => ({
    name,
    resource,
    mode: 'write' as const,
  }));
  const read = Object.entries(claimRead).map(([name, resource]) => ({
    name,
    resource,
    mode: 'read' as const,
  }));
  return written.length + read.length === 0 ? undefined : [...written, ...read];
};

export const create = (
  flags: ClientFlags & {
    readonly worker: string | undefined;
    readonly engine: string;
    readonly displayName: string | undefined;
    readonly label: Readonly<Record<string, string>> | undefined;
    readonly parent: string | undefined;
    readonly tool: readonly string[] | undefined;
    readonly claim: Readonly<Record<string, string>> | undefined;
    readonly claimRead: Readonly<Record<string, string>> | undefined;
    readonly engineConfig: JsonObject | undefined;
    readonly whenInterrupted: 'stop' | 'continue' | undefined;
    readonly input: string | undefined;
    readonly idempotencyKey: string | undefined;
  },
  output: Output,
): Promise<void> =>
  runClientCommand(flags, output, async (command) => {
    const { idempotencyKey } = flags;
    const request = defined({
      workerId: flags.worker,
      engine: flags.engine,
      displayName: flags.displayName,
      labels: flags.label,
      parent: flags.parent,
      tools: flags.tool,
      claims: claimsOf(flags),
      config: flags.engineConfig,
      whenInterrupted: flags.whenInterrupted,
      initialInput: flags.input === undefined ? undefined : { text: flags.input },
    });
    const { worker, input } = await command.client.createWorker(request, defined({ idempotencyKey }));
    command.answer(
      input === null ? worker : { ...worker, initialInput: input },
      () => `${worker.workerId} is ${worker.status}`,
    );
  });

export const show = (flags: ClientFlags & { readonly worker: string }, output: Output): Promise<void> =>
  runClientCommand(flags, output, async (command) => {
    const { client, isJson } = command;
    const worker = await client.getWorker(flags.worker);
    const overview = isJson ? null : await client.overview(flags.worker);
    const { items } = isJson ? { items: [] } : await client.listRequests(flags.worker);
    const calls = isJson ? new Map() : await namesOfCalls(client, worker);
    command.answer(worker, (columns) => describe(worker, overview, items, calls, columns));
  });

export const fork = (
  flags: ClientFlags & {
    readonly worker: string;
    readonly as: string | undefined;
    readonly at: string | undefined;
    readonly displayName: string | undefined;
    readonly label: Readonly<Record<string, string>> | undefined;
    readonly claim: Readonly<Record<string, string>> | undefined;
    readonly claimRead: Readonly<Record<string, string>> | undefined;
    readonly idempotencyKey: string | undefined;
  },
  output: Output,
): Promise<void> =>
  runClientCommand(flags, output, async (command) => {
    const { idempotencyKey, at } = flags;
    const request = defined({
      // the numbers of events are what people see
      at: at !== undefined && /^[0-9]+$/.test(at) ? `@${at}` : at,
      workerId: flags.as,
      displayName: flags.displayName === '' ? null : flags.displayName,
      labels: flags.label,
      claims: claimsOf(flags),
    });
    const { worker } = await command.client.forkWorker(flags.worker, request, defined({ idempotencyKey }));
    const { seq = 0 } = worker.forkedFrom ?? {};
    command.answer(
      worker,
      () => `${worker.workerId} is ${worker.status}, with the history of ${flags.worker} up to event ${seq}`,
    );
  });

export const update = (
  flags: ClientFlags & {
    readonly worker: string;
    readonly displayName: string | undefined;
    readonly label: Readonly<Record<string, string>> | undefined;
    readonly tool: readonly string[] | undefined;
    readonly engineConfig: JsonObject | undefined;
    readonly whenInterrupted: 'stop' | 'continue' | undefined;
  },
  output: Output,
): Promise<void> =>
  runClientCommand(flags, output, async (command) => {
    const change = defined({
      displayName: flags.displayName === '' ? null : flags.displayName,
      labels: flags.label,
      tools: flags.tool,
      config: flags.engineConfig,
      whenInterrupted: flags.whenInterrupted,
    });
    if (Object.keys(change).length === 0)
      throw usageError(
        'nothing to change: give --display-name, --label, --tool, --engine-config or --when-interrupted',
      );
    const worker = await command.client.updateWorker(flags.worker, change);
    command.answer(worker, () => `${flags.worker} is changed`);
  });

export const stop = (
  flags: ClientFlags & {
    readonly worker: string;
    readonly deadlineMs: number | undefined;
    readonly reason: string | undefined;
  },
  output: Output,
): Promise<void> =>
  runClientCommand(flags, output, async (command) => {
    const { worker, deadlineMs, reason } = flags;
    // read before the stop, which cancels all queued inputs
    const { queued } = await command.client.getWorker(worker);
    const body = await command.client.stopWorker(worker, defined({ deadlineMs, reason }));
    const cancelled = queued === 1 ? '1 queued input was' : `${queued} queued inputs were`;
    command.answer(body, () =>
      body.changed
        ? `${worker} is stopped (${body.outcome})${queued > 0 ? `, ${cancelled} cancelled` : ''}`
        : `${worker} was already stopped (${body.outcome})`,
    );
  });

export const resume = (
  flags: ClientFlags & { readonly worker: string; readonly reason: string | undefined },
  output: Output,
): Promise<void> =>
  runClientCommand(flags, output, async (command) => {
    const body = await command.client.resumeWorker(flags.worker, defined({ reason: flags.reason }));
    command.answer(body, () => `${flags.worker} is ${body.status}`);
  });

export const cancel = (
  flags: ClientFlags & {
    readonly worker: string;
    readonly run: string | undefined;
    readonly reason: string | undefined;
  },
  output: Output,
): Promise<void> =>
  runClientCommand(flags, output, async (command) => {
    const body = await command.client.cancelRun(
      flags.worker,
      defined({ runId: flags.run, reason: flags.reason }),
    );
    command.answer(body, () =>
      body.changed ? `the run was cancelled; ${flags.worker} is ${body.status}` : 'no run was active',
    );
  });

export const remove = (flags: ClientFlags & { readonly worker: string }, output: Output): Promise<void> =>
  runClientCommand(flags, output, async (command) => {
    await command.client.deleteWorker(flags.worker);
    command.answer({ workerId: flags.worker, deleted: true }, () => `${flags.worker} is deleted`);
  });
