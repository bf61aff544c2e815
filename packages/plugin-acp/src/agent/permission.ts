import type { PermissionOptionKind, RequestPermissionResponse } from '@agentclientprotocol/sdk';
import { RequestError } from '@agentclientprotocol/sdk';
import type { Answer } from '@worker-runtime/core';
import { isObject, type OptionKind, type Redactor } from '@worker-runtime/core/plugin-kit';
import { type CallUpdate, parseCall } from './call-update.ts';

/** An option of a permission request. Agents may use kinds that this version of the protocol does not have. */
export interface PermissionOption {
  readonly optionId: string;
  readonly name: string;
  readonly kind: OptionKind | null;
}

/** A permission request of an agent. */
export interface PermissionRequest {
  readonly call: CallUpdate;
  readonly options: readonly PermissionOption[];
}

const KINDS: Readonly<Record<PermissionOptionKind, OptionKind>> = {
  allow_once: 'allow-once',
  allow_always: 'allow-always',
  reject_once: 'reject-once',
  reject_always: 'reject-always',
};

const isKind = (kind: unknown): kind is PermissionOptionKind =>
  typeof kind === 'string' && Object.hasOwn(KINDS, kind);

/** Reads a permission request. @throws RequestError the call or an option has no id */
export const parsePermission = (params: unknown): PermissionRequest => {
  const { toolCall, options } = isObject(params) ? params : {};
  const call = parseCall(toolCall);
  if (call === null || !Array.isArray(options)) throw RequestError.invalidParams();
  return {
    call,
    options: options.map((option: unknown) => {
      const { optionId, name, kind } = isObject(option) ? option : {};
      if (typeof optionId !== 'string') throw RequestError.invalidParams();
      return {
        optionId,
        name: typeof name === 'string' ? name : '',
        kind: isKind(kind) ? KINDS[kind] : null,
      };
    }),
  };
};

export const CANCELLED: RequestPermissionResponse = { outcome: { outcome: 'cancelled' } };

export const select = ({ optionId }: PermissionOption): RequestPermissionResponse => ({
  outcome: { outcome: 'selected', optionId },
});

/**
 * Returns the options by the id with which people answer: the name of the option, or its id if the name is empty or
 * already taken.
 */
export const optionsById = (
  options: readonly PermissionOption[],
  redactor: Redactor,
): ReadonlyMap<string, PermissionOption> => {
  const byId = new Map<string, PermissionOption>();
  for (const option of options) {
    const names = [redactor.text(option.name), redactor.text(option.optionId)];
    const id = names.find((name) => name !== '' && !byId.has(name)) ?? `${names[0]} (${byId.size + 1})`;
    byId.set(id, option);
  }
  return byId;
};

/** Returns the option that grants a permission automatically: for this call only, if the agent offers that. */
export const automaticOption = (options: readonly PermissionOption[]): PermissionOption | undefined =>
  options.find(({ kind }) => kind === 'allow-once') ?? options.find(({ kind }) => kind === 'allow-always');

/** Returns the option that an answer selects. A timeout selects the one that rejects once, if the agent offers it. */
export const answeredOption = (
  { decision, by }: Answer,
  options: ReadonlyMap<string, PermissionOption>,
): PermissionOption | undefined => {
  if (decision !== null) return options.get(decision);
  return by === 'timeout' ? [...options.values()].find(({ kind }) => kind === 'reject-once') : undefined;
};
