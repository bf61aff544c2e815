import type { AnswerRecord } from '@worker-runtime/plugin-http';
import { type AuditLine, type AuditLog, isCommand } from './audit/audit-log.ts';
import { LineBudget } from './audit/line-budget.ts';
import { type BackendAccess, workspaceIdOf } from './backend-access.ts';

const RUNTIME_AND_WORKER = /^\/v1\/runtimes\/([^/]{1,128})(?:\/workers\/([^/]{1,128}))?/;
const CREATED = /^workers\/([^/]{1,128})$/;
const MAX_PATH_CHARS = 512;

const lineOf = (
  { request, caller, from, status, code, location, correlationId }: AnswerRecord,
  access: BackendAccess,
): AuditLine => {
  const { method = '', url = '' } = request;
  const path = url.split('?', 1)[0] ?? '';
  const sender = access.senderOf(request, caller)?.kept ?? null;
  const [, runtime = null, worker] = RUNTIME_AND_WORKER.exec(path) ?? [];
  return {
    time: new Date().toISOString(),
    who: sender?.person.name ?? null,
    credential: sender?.id ?? null,
    from,
    workspace: workspaceIdOf(request),
    action: `${method} ${path.slice(0, MAX_PATH_CHARS)}`,
    runtime,
    worker: worker ?? CREATED.exec(location ?? '')?.[1] ?? null,
    status,
    code,
    correlationId,
  };
};

/**
 * Returns the function that writes a line for each command and each refusal, before its answer. Refusals, and requests of strangers, have a
 * budget.
 */
export const auditOf = (log: AuditLog, access: BackendAccess): ((record: AnswerRecord) => void) => {
  const budget = new LineBudget();
  return (record) => {
    const { request, status } = record;
    if (!isCommand(request.method) && status < 400) return;
    const line = lineOf(record, access);
    if (line.who !== null && status < 400) return log.write(line);
    const omitted = budget.take(line.who ?? '');
    if (omitted !== null) log.write(omitted === 0 ? line : { ...line, omitted });
  };
};
