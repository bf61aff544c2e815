import { RuntimeError } from '@worker-runtime/core';

/** A person, or a program that acts for one. */
export interface Person {
  /** The name in events, in the label `owner` and in the audit log: 1 to 64 characters. */
  readonly name: string;
  /** The groups to which a policy can grant something, without the prefix `group:`. */
  readonly groups: readonly string[];
}

/** The group of those who start the backend. Without a policy, it may do everything. */
export const OPERATORS = 'operators';

const NAME = /^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$/;
const GROUP = /^[^\p{Cc}]{1,128}$/u;
const MAX_GROUPS = 200;

/** Checks a person as data from elsewhere. @throws INVALID_REQUEST */
export const assertPerson = ({
  name,
  groups,
}: {
  readonly name: unknown;
  readonly groups: unknown;
}): Person => {
  if (typeof name !== 'string' || !NAME.test(name))
    throw new RuntimeError('INVALID_REQUEST', `The name of a person must match ${NAME.source}`);
  if (
    !Array.isArray(groups) ||
    groups.length > MAX_GROUPS ||
    !groups.every((group) => typeof group === 'string' && GROUP.test(group))
  )
    throw new RuntimeError(
      'INVALID_REQUEST',
      `The groups must be a list of up to ${MAX_GROUPS} names of 1 to 128 characters`,
    );
  return { name, groups: groups as readonly string[] };
};
