import type { PermissionOption, RequestPermissionResponse } from '@agentclientprotocol/sdk';
import type { Answer, Question } from '@worker-runtime/core';
import type { OptionKind, Redactor } from '@worker-runtime/core/plugin-kit';

const CANCELLED: RequestPermissionResponse = { outcome: { outcome: 'cancelled' } };

const select = (option: PermissionOption | undefined): RequestPermissionResponse =>
  option ? { outcome: { outcome: 'selected', optionId: option.optionId } } : CANCELLED;

/**
 * Returns the options by the label under which people see them: the name of the option, or its id if the name is empty
 * or already taken.
 */
export const optionsByLabel = (
  options: readonly PermissionOption[],
  redactor: Redactor,
): ReadonlyMap<string, PermissionOption> => {
  const labelled = new Map<string, PermissionOption>();
  for (const option of options) {
    const name = redactor.text(option.name);
    labelled.set(name === '' || labelled.has(name) ? option.optionId : name, option);
  }
  return labelled;
};

const KINDS: Readonly<Record<string, OptionKind>> = {
  allow_once: 'allow-once',
  allow_always: 'allow-always',
  reject_once: 'reject-once',
  reject_always: 'reject-always',
};

/** Returns the options of a question to people, with the meaning that the agent gives them. */
export const questionOptions = (options: ReadonlyMap<string, PermissionOption>): Question['options'] =>
  [...options].map(([label, option]) => {
    const kind = Object.hasOwn(KINDS, option.kind) ? KINDS[option.kind] : undefined;
    return { id: label, label, ...(kind && { kind }) };
  });

/** Returns the answer for a permission that is granted automatically: for this call only, if the agent offers that. */
export const allowedOnce = (options: readonly PermissionOption[]): RequestPermissionResponse =>
  select(
    options.find(({ kind }) => kind === 'allow_once') ?? options.find(({ kind }) => kind === 'allow_always'),
  );

/** Translates an answer for the agent. A timeout selects the option that rejects once, if the agent offers one. */
export const permissionAnswer = (
  { decision, by }: Answer,
  options: ReadonlyMap<string, PermissionOption>,
): RequestPermissionResponse => {
  if (decision !== null) return select(options.get(decision));
  if (by !== 'timeout') return CANCELLED;
  return select([...options.values()].find(({ kind }) => kind === 'reject_once'));
};
