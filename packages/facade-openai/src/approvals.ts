import { type OpenRequest, RuntimeError } from '@worker-runtime/core';
import { answerRequest, refuse } from '@worker-runtime/core/plugin-kit';
import { meantOption } from '@worker-runtime/core/views';
import type { Exchange } from './openai-runtime.ts';
import type { ResponsePart } from './response-id.ts';
import type { Approval } from './response-request.ts';

/** Returns the option of a request that an approval or a refusal takes. @throws INVALID_REQUEST no option can be chosen */
const decisionOf = ({ options }: OpenRequest, { isApproved, reason }: Approval): string => {
  const named = options.find(({ id }) => id === reason);
  if (named) return named.id;
  const ids = options.map(({ id }) => `"${id}"`).join(', ');
  return (
    meantOption(options, isApproved)?.id ??
    refuse('/input', `must have one of ${ids} as the reason, because the options do not say what they mean`)
  );
};

/** Returns the number of the event that opened the last of the requests. */
const openedAt = async (
  { runtime }: Exchange,
  workerId: string,
  cursor: string,
  requestIds: readonly string[],
): Promise<number> => {
  let after: string | null = cursor;
  let last = 0;
  while (after !== null) {
    const { items, next }: Awaited<ReturnType<typeof runtime.events>> = await runtime.events(workerId, {
      after,
      types: ['request.opened'],
    });
    for (const event of items)
      if (event.type === 'request.opened' && requestIds.includes(event.data.request)) last = event.seq;
    after = next;
  }
  if (last === 0) throw new RuntimeError('REQUEST_NOT_FOUND', 'The run has no such request');
  return last;
};

/**
 * Answers requests, and returns the part of the run that follows. A request that was answered elsewhere keeps that answer.
 * @throws INVALID_REQUEST · REQUEST_NOT_FOUND
 */
export const answerApprovals = async (
  exchange: Exchange,
  workerId: string,
  model: string,
  previous: ResponsePart | null,
  approvals: readonly Approval[],
): Promise<ResponsePart> => {
  const { runtime, call } = exchange;
  const { items } = await runtime.listRequests(workerId);
  const answers = approvals.flatMap((approval) => {
    const open = items.find(({ requestId }) => requestId === approval.requestId);
    return open ? [{ open, approval, decision: decisionOf(open, approval) }] : [];
  });
  const runId = previous?.runId ?? answers[0]?.open.runId;
  if (runId === undefined) throw new RuntimeError('REQUEST_NOT_FOUND');
  const { cursor } = await runtime.getRun(workerId, runId);
  const from = await openedAt(
    exchange,
    workerId,
    cursor,
    approvals.map(({ requestId }) => requestId),
  );
  for (const { open, approval, decision } of answers) {
    const note = approval.reason !== null && approval.reason !== decision ? { note: approval.reason } : {};
    await answerRequest(runtime, workerId, open.requestId, { decision, ...note }, call);
  }
  return { model, runId, from };
};
