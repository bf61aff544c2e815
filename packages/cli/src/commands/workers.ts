import type {
  Claim,
  JsonObject,
  Overview,
  WorkerDetail,
  WorkerStatus,
  WorkerSummary,
} from '@worker-runtime/core';
import { misuse } from '../failure.ts';
import type { Output } from '../output.ts';
import { printableLine } from '../printable.ts';
import { said } from '../said.ts';
import { type ClientFlags, inSession } from '../session.ts';
import { sheet, table } from '../table.ts';

const statusOf = ({ status, health, queued }: WorkerSummary): string =>
  [status, queued > 0 && `${queued} queued`, health !== 'ok' && health].filter(Boolean).join(', ');

const describe = (worker: WorkerDetail, overview: Overview | null): string =>
  sheet([
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
    ['run', worker.run?.runId ?? null],
    ['parent', worker.parent],
    [
      'labels',
      Object.entries(worker.labels)
        .map(([key, value]) => printableLine(`${key}=${value}`))
        .join(' ') || null,
    ],
    ['tools', worker.tools.join(' ') || null],
    ['claims', worker.claims.map(({ name, mode }) => `${name} (${mode})`).join(' ') || null],
    ['created', worker.createdAt],
    ['updated', worker.updatedAt],
    ['events', String(worker.lastSeq)],
    [
      'runs',
      overview &&
        Object.entries(overview.runs)
          .filter(([, count]) => count > 0)
          .map(([outcome, count]) => `${count} ${outcome}`)
          .join(', '),
    ],
    ['tokens', overview && `${overview.usage.inputTokens} in, ${overview.usage.outputTokens} out`],
  ]);

export const list = (
  flags: ClientFlags & {
    readonly status: WorkerStatus | undefined;
    readonly label: Readonly<Record<string, string>> | undefined;
    readonly parent: string | undefined;
    readonly limit: number | undefined;
    readonly after: string | undefined;
  },
  output: Output,
): Promise<void> =>
  inSession(flags, output, async (session) => {
    const { status, parent, limit, after, label: labels } = flags;
    const page = await session.client.listWorkers(said({ status, parent, limit, after, labels }));
    session.answer(page, () =>
      table(
        ['WORKER', 'NAME', 'ENGINE', 'STATUS', 'UPDATED'],
        page.items.map((worker) => [
          worker.workerId,
          printableLine(worker.displayName ?? '-'),
          worker.engine,
          statusOf(worker),
          worker.updatedAt,
        ]),
      ),
    );
    if (page.next !== null && !session.isJson) session.remark(`there are more: --after ${page.next}`);
  });

/** A wrong engine is a wrong call: the error names those that are there. */
const withEngines = (error: unknown): unknown => {
  if (!(error instanceof Error && 'code' in error && error.code === 'ENGINE_UNKNOWN' && 'details' in error))
    return error;
  const { engines } = error.details as { readonly engines?: unknown };
  const known = Array.isArray(engines) ? engines.join(', ') || 'no engine' : 'others';
  return misuse(`${error.code}: ${error.message}: this runtime has ${known}`);
};

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
    readonly input: string | undefined;
    readonly idempotencyKey: string | undefined;
  },
  output: Output,
): Promise<void> =>
  inSession(flags, output, async (session) => {
    const { idempotencyKey } = flags;
    const request = said({
      workerId: flags.worker,
      engine: flags.engine,
      displayName: flags.displayName,
      labels: flags.label,
      parent: flags.parent,
      tools: flags.tool,
      claims: claimsOf(flags),
      config: flags.engineConfig,
      initialInput: flags.input === undefined ? undefined : { text: flags.input },
    });
    try {
      const { worker, input } = await session.client.createWorker(request, said({ idempotencyKey }));
      session.answer(
        input === null ? worker : { ...worker, initialInput: input },
        () => `${worker.workerId} is ${worker.status}`,
      );
    } catch (error) {
      throw withEngines(error);
    }
  });

export const show = (flags: ClientFlags & { readonly worker: string }, output: Output): Promise<void> =>
  inSession(flags, output, async (session) => {
    const worker = await session.client.getWorker(flags.worker);
    const overview = session.isJson ? null : await session.client.overview(flags.worker);
    session.answer(worker, () => describe(worker, overview));
  });

export const stop = (
  flags: ClientFlags & {
    readonly worker: string;
    readonly deadlineMs: number | undefined;
    readonly reason: string | undefined;
  },
  output: Output,
): Promise<void> =>
  inSession(flags, output, async (session) => {
    const { deadlineMs, reason } = flags;
    const body = await session.client.stopWorker(flags.worker, said({ deadlineMs, reason }));
    session.answer(body, () =>
      body.changed
        ? `${flags.worker} is stopped (${body.outcome})`
        : `${flags.worker} was stopped already (${body.outcome})`,
    );
  });

export const resume = (
  flags: ClientFlags & { readonly worker: string; readonly reason: string | undefined },
  output: Output,
): Promise<void> =>
  inSession(flags, output, async (session) => {
    const body = await session.client.resumeWorker(flags.worker, said({ reason: flags.reason }));
    session.answer(body, () => `${flags.worker} is ${body.status}`);
  });

export const cancel = (
  flags: ClientFlags & {
    readonly worker: string;
    readonly run: string | undefined;
    readonly reason: string | undefined;
  },
  output: Output,
): Promise<void> =>
  inSession(flags, output, async (session) => {
    const body = await session.client.cancelRun(
      flags.worker,
      said({ runId: flags.run, reason: flags.reason }),
    );
    session.answer(body, () =>
      body.changed ? `the run is cancelled; ${flags.worker} is ${body.status}` : 'nothing was running',
    );
  });

export const remove = (flags: ClientFlags & { readonly worker: string }, output: Output): Promise<void> =>
  inSession(flags, output, async (session) => {
    await session.client.deleteWorker(flags.worker);
    session.answer({ workerId: flags.worker, deleted: true }, () => `${flags.worker} is deleted`);
  });
