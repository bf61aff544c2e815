import type { PermissionOption, RequestPermissionResponse } from '@agentclientprotocol/sdk';
import type { Answer } from '@worker-runtime/core';
import type { Redactor } from '@worker-runtime/core/plugin-kit';

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

/** Returns the answer for a permission that is granted automatically: for this call only. */
export const allowedOnce = (options: readonly PermissionOption[]): RequestPermissionResponse =>
  select(options.find(({ kind }) => kind === 'allow_once'));

/** Translates an answer for the agent. A timeout selects the option that rejects once, if the agent offers one. */
export const permissionAnswer = (
  { decision, by }: Answer,
  options: ReadonlyMap<string, PermissionOption>,
): RequestPermissionResponse => {
  if (decision !== null) return select(options.get(decision));
  if (by !== 'timeout') return CANCELLED;
  return select([...options.values()].find(({ kind }) => kind === 'reject_once'));
};
