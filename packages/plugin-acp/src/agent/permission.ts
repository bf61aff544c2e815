import type { PermissionOption, RequestPermissionResponse } from '@agentclientprotocol/sdk';
import type { Answer, Redactor } from '@worker-runtime/core';

const CANCELLED: RequestPermissionResponse = { outcome: { outcome: 'cancelled' } };

const select = (option: PermissionOption | undefined): RequestPermissionResponse =>
  option ? { outcome: { outcome: 'selected', optionId: option.optionId } } : CANCELLED;

/** How an option is shown to whoever answers: by its name, where no other has the same. */
export const shownOptions = (
  options: readonly PermissionOption[],
  words: Redactor,
): ReadonlyMap<string, PermissionOption> => {
  const shown = new Map<string, PermissionOption>();
  for (const option of options) {
    const name = words.text(option.name);
    shown.set(name === '' || shown.has(name) ? option.optionId : name, option);
  }
  return shown;
};

/** What is given by itself: once each time, and nothing beyond that. */
export const allowedOnce = (options: readonly PermissionOption[]): RequestPermissionResponse =>
  select(options.find(({ kind }) => kind === 'allow_once'));

/** The answer for the agent. One that never came is a refusal, where the agent has such an option. */
export const chosen = (
  { decision, by }: Answer,
  shown: ReadonlyMap<string, PermissionOption>,
): RequestPermissionResponse => {
  if (decision !== null) return select(shown.get(decision));
  if (by !== 'timeout') return CANCELLED;
  return select([...shown.values()].find(({ kind }) => kind === 'reject_once'));
};
