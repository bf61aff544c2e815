import { setTimeout as delay } from 'node:timers/promises';
import { type Logger, RuntimeError } from '@worker-runtime/core';
import { isObject } from '@worker-runtime/core/plugin-kit';
import {
  type Allowance,
  EVERYTHING,
  isAllowance,
  isScope,
  type Permission,
  type Scope,
} from '@worker-runtime/core/scope';
import type { Person } from './people/person.ts';

/** The most that a person may have or do in a workspace. Without a number there is no limit. */
export interface GrantLimits {
  /** Workers of the person in the embedded runtime. */
  readonly workers?: number;
  /** Inputs and creations of Workers within a minute, in all runtimes of the workspace. */
  readonly inputsAMinute?: number;
}

const LIMITS = ['workers', 'inputsAMinute'];

/** True for limits as data from elsewhere. */
export const isLimits = (value: unknown): value is GrantLimits =>
  isObject(value) &&
  Object.entries(value).every(
    ([name, most]) => LIMITS.includes(name) && Number.isSafeInteger(most) && Number(most) >= 0,
  );

/** True for a part of an allowance as data from elsewhere: what it does not name is not restricted. */
export const isPartialAllowance = (value: unknown): value is Partial<Allowance> =>
  isObject(value) && isAllowance({ ...EVERYTHING, ...value });

/** The decision of a policy about a person in a workspace: a scope, and the runtimes where it holds. */
export interface Grant {
  readonly permissions: readonly Permission[];
  /** The Workers that exist for the person. `$caller` as the value of a label stands for the name of the person. */
  readonly workers: Scope['workers'];
  /** The names of the runtimes that exist for the person, or all. */
  readonly runtimes: '*' | readonly string[];
  /** Default: none. */
  readonly limits?: GrantLimits;
  /**
   * The engines, tools and resources that the person may give to Workers. Each is by default `*`: all. `$caller` as a component of
   * a resource stands for the name of the person.
   */
  readonly allowance?: Partial<Allowance>;
}

const FIELDS = ['permissions', 'workers', 'runtimes', 'limits', 'allowance'];

/** Decides about a person in a workspace. Without a grant, the workspace does not exist for the person. */
export type Policy = (person: Person, workspace: string) => Grant | null | Promise<Grant | null>;

/** The time within which a policy must decide. */
const DECISION_MS = 1_000;

const isGrant = (value: unknown): value is Grant => {
  const { permissions, workers, runtimes, limits = {}, allowance = {} } = Object(value) as Partial<Grant>;
  return (
    isScope({ permissions, workers, stamp: {} }) &&
    isLimits(limits) &&
    isPartialAllowance(allowance) &&
    (runtimes === '*' || (Array.isArray(runtimes) && runtimes.every((name) => typeof name === 'string')))
  );
};

const invalid = (message: string): RuntimeError => new RuntimeError('INVALID_REQUEST', message);

/**
 * Asks a policy. A policy that fails, is too slow or returns no grant decides that nothing is allowed.
 * @throws FORBIDDEN the policy failed; the log has the reason
 */
export const decide = async (
  policy: Policy,
  person: Person,
  workspace: string,
  log: Logger,
): Promise<Grant | null> => {
  const asked = new AbortController();
  try {
    const grant = await Promise.race([
      policy(person, workspace),
      delay(DECISION_MS, undefined, { ref: false, signal: asked.signal }).then(() => {
        throw new Error(`The policy did not decide within ${DECISION_MS} ms`);
      }),
    ]);
    if (grant !== null && !isGrant(grant)) throw invalid('The policy returned neither a grant nor null');
    // a field that is not known might be a restriction
    const unknown = Object.keys(grant ?? {}).find((field) => !FIELDS.includes(field));
    if (unknown !== undefined)
      throw invalid(`The policy returned a grant with the unknown field "${unknown}"`);
    return grant;
  } catch (error) {
    log.error({ err: RuntimeError.from(error), person: person.name, workspace }, 'the policy failed');
    throw new RuntimeError(
      'FORBIDDEN',
      'The policy of this backend could not decide; its log has the reason',
      {
        cause: error,
      },
    );
  } finally {
    asked.abort();
  }
};

/** Returns the allowance of a grant for one person; `undefined` if it restricts nothing. */
const allowanceFor = ({ allowance = {} }: Grant, { name }: Person): Allowance | undefined => {
  const { claims, ...others } = { ...EVERYTHING, ...allowance };
  // a name has no slash, so that it is one component
  const own = (resource: string) => resource.replaceAll(/(?<=\/)\$caller(?=\/|$)/g, name);
  const complete = { ...others, claims: claims === '*' ? claims : claims.map(own) };
  return Object.values(complete).every((allowed) => allowed === '*') ? undefined : complete;
};

/** Returns the Workers of a grant for one person. */
const selectionFor = ({ workers }: Grant, { name }: Person): Scope['workers'] =>
  workers === '*'
    ? workers
    : workers.map((selector) =>
        Object.fromEntries(
          Object.entries(selector).map(([key, value]) => [key, value === '$caller' ? name : value]),
        ),
      );

/**
 * Returns the scope of a grant in a workspace. Workers that the person creates get the labels `workspace` and `owner`, which
 * no caller can choose.
 */
export const scopeOf = (grant: Grant, person: Person, workspace: string): Scope => {
  const allowance = allowanceFor(grant, person);
  return {
    permissions: grant.permissions,
    workers: selectionFor(grant, person),
    stamp: { workspace, owner: person.name },
    ...(allowance && { allowance }),
  };
};
