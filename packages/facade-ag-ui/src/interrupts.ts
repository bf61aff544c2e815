import { type JsonValue, type OpenRequest, RuntimeError } from '@worker-runtime/core';
import type { Interrupt } from './ag-ui-event.ts';
import type { AgUiRuntime } from './ag-ui-runtime.ts';
import { refuse } from './refuse.ts';
import type { Answer } from './run-input.ts';
import { toolCallIdOf } from './tool-call.ts';

/** Returns an open request as clients get it. */
export const interruptOf = ({
  requestId,
  runId,
  kind,
  prompt,
  call,
  options,
  schema,
  expiresAt,
}: OpenRequest): Interrupt => ({
  id: requestId,
  reason: kind,
  message: prompt,
  ...(call !== null && { toolCallId: toolCallIdOf(runId, call) }),
  responseSchema: {
    type: 'object',
    properties: {
      decision: { type: 'string', enum: options.map(({ id }) => id) },
      note: { type: 'string' },
      ...(schema !== null && { value: schema }),
    },
    required: ['decision'],
    additionalProperties: false,
  },
  ...(expiresAt !== null && { expiresAt }),
  metadata: {
    options: options.map(({ id, label, kind: means }) => ({
      id,
      label,
      ...(means !== undefined && { kind: means }),
    })),
  },
});

/** Returns the option that an answer takes. @throws INVALID_REQUEST no option can be chosen */
const decisionOf = ({ options }: OpenRequest, { choice, pointer }: Answer): string => {
  if (typeof choice === 'string') return choice;
  const kinds = choice ? ['allow-once', 'allow-always'] : ['reject-once', 'reject-always'];
  const found = kinds.flatMap((kind) => options.find((option) => option.kind === kind) ?? [])[0];
  const ids = options.map(({ id }) => `"${id}"`).join(', ');
  return (
    found?.id ??
    refuse(
      `${pointer}/payload`,
      `must name a decision of ${ids}, because the options do not say what they mean`,
    )
  );
};

/** Answers requests. What another client has answered keeps that answer. @throws INVALID_REQUEST */
export const answerInterrupts = async (
  runtime: AgUiRuntime,
  workerId: string,
  answers: readonly Answer[],
  call: Parameters<AgUiRuntime['respond']>[3],
): Promise<void> => {
  const { items } = await runtime.listRequests(workerId);
  const chosen = answers.flatMap((answer) => {
    const open = items.find(({ requestId }) => requestId === answer.requestId);
    return open ? [{ answer, decision: decisionOf(open, answer) }] : [];
  });
  for (const { answer, decision } of chosen) {
    const { requestId, note, value } = answer;
    const response: { decision: string; note?: string; value?: JsonValue } = { decision };
    if (note !== null) response.note = note;
    if (value !== undefined) response.value = value;
    await runtime.respond(workerId, requestId, response, call).catch((error: unknown) => {
      const { code } = RuntimeError.from(error);
      if (code !== 'REQUEST_RESOLVED' && code !== 'REQUEST_NOT_FOUND') throw error;
    });
  }
};
