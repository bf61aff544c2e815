import type { OpenRequest } from '@worker-runtime/core';
import { answerRequest, type CallOptions, refuse } from '@worker-runtime/core/plugin-kit';
import { meantOption } from '@worker-runtime/core/views';
import type { Interrupt } from './ag-ui-event.ts';
import type { AgUiRuntime } from './ag-ui-runtime.ts';
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
  const ids = options.map(({ id }) => `"${id}"`).join(', ');
  return (
    meantOption(options, choice)?.id ??
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
  call: CallOptions,
): Promise<void> => {
  const { items } = await runtime.listRequests(workerId);
  const chosen = answers.flatMap((answer) => {
    const open = items.find(({ requestId }) => requestId === answer.requestId);
    return open ? [{ answer, decision: decisionOf(open, answer) }] : [];
  });
  for (const { answer, decision } of chosen) {
    const { requestId, note, value } = answer;
    const response = { decision, ...(note !== null && { note }), ...(value !== undefined && { value }) };
    await answerRequest(runtime, workerId, requestId, response, call);
  }
};
