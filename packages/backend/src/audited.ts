import type { AnswerRecord } from '@worker-runtime/plugin-http';
import { type AuditLine, type AuditLog, isCommand } from './audit/audit-log.ts';
import { type BackendAccess, workspaceIdOf } from './backend-access.ts';

const RUNTIME = /^\/v1\/runtimes\/([^/]{1,128})/;
const WORKER = /^\/v1\/runtimes\/[^/]{1,128}\/workers\/([^/]{1,128})/;
const CREATED = /^workers\/([^/]{1,128})$/;
const MAX_PATH_CHARS = 512;

const lineOf = (
  { request, from, status, code, location, correlationId }: AnswerRecord,
  access: BackendAccess,
): AuditLine => {
  const { method = '', url = '' } = request;
  const path = url.split('?', 1)[0] ?? '';
  const sender = access.senderOf(request)?.kept ?? null;
  return {
    time: new Date().toISOString(),
    who: sender?.person.name ?? null,
    credential: sender?.id ?? null,
    from,
    workspace: workspaceIdOf(request),
    action: `${method} ${path.slice(0, MAX_PATH_CHARS)}`,
    runtime: RUNTIME.exec(path)?.[1] ?? null,
    worker: WORKER.exec(path)?.[1] ?? CREATED.exec(location ?? '')?.[1] ?? null,
    status,
    code,
    correlationId,
  };
};

/** Returns the function that writes a line for each command and each refusal, before its answer. */
export const auditOf =
  (log: AuditLog, access: BackendAccess) =>
  (record: AnswerRecord): void => {
    if (isCommand(record.request.method) || record.status >= 400) log.write(lineOf(record, access));
  };
