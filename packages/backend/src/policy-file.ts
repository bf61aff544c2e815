import { type Logger, RuntimeError } from '@worker-runtime/core';
import { isObject, readOwnedFile, WatchedFile } from '@worker-runtime/core/plugin-kit';
import {
  type Allowance,
  isPermission,
  isSelection,
  PERMISSIONS,
  type Permission,
  type Scope,
} from '@worker-runtime/core/scope';
import { OPERATORS, type Person } from './people/person.ts';
import { type Grant, type GrantLimits, isLimits, isPartialAllowance } from './policy.ts';

/** One rule of a policy file. The first rule that fits a person and a workspace is the decision. */
export interface Rule {
  /** Names of people, `group:<name>`, or `*` for everyone who is logged in. */
  readonly to: readonly string[];
  /** The ids of workspaces; `*` for all. */
  readonly workspaces: readonly string[];
  readonly may: readonly Permission[];
  readonly workers: Scope['workers'];
  readonly runtimes: '*' | readonly string[];
  readonly limits: GrantLimits;
  readonly allowance: Partial<Allowance>;
}

/** The decision of rules, and the number of the rule behind it. */
export interface Explanation {
  /** The index of the rule in the file; null if no rule fits. */
  readonly rule: number | null;
  readonly grant: Grant | null;
}

/** The rules without a policy file: those who start the backend may do everything. */
export const DEFAULT_RULES: readonly Rule[] = [
  {
    to: [`group:${OPERATORS}`],
    workspaces: ['*'],
    may: ['admin'],
    workers: '*',
    runtimes: '*',
    limits: {},
    allowance: {},
  },
];

const MAX_RULES = 10_000;

const isNames = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.length > 0 && value.every((name) => typeof name === 'string' && name !== '');

const ruleOf = (value: unknown, index: number): Rule => {
  const refuse = (message: string): never => {
    throw new RuntimeError('INVALID_REQUEST', `The policy is not valid at /grants/${index}: ${message}`, {
      details: { pointer: `/grants/${index}` },
    });
  };
  if (!isObject(value)) return refuse('must be an object');
  const { to, workspace, may, workers = '*', runtimes = '*', limits = {}, allowance = {}, ...others } = value;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined)
    return refuse(
      `has the unknown field "${unknown}"; the fields are to, workspace, may, workers, runtimes, limits and allowance`,
    );
  if (!isNames(to)) return refuse('to must be a list of names, "group:<name>" or "*"');
  const workspaces: unknown = typeof workspace === 'string' ? [workspace] : workspace;
  if (!isNames(workspaces)) return refuse('workspace must be an id, a list of ids, or "*"');
  const permissions: readonly unknown[] = [may].flat();
  if (permissions.length === 0 || !permissions.every(isPermission))
    return refuse(`may must be one or more of ${PERMISSIONS.join(', ')}`);
  if (!isSelection(workers))
    return refuse('workers must be "*", or a list of selectors, each an object of labels');
  if (runtimes !== '*' && !isNames(runtimes)) return refuse('runtimes must be "*", or a list of names');
  if (!isLimits(limits))
    return refuse('limits must have whole numbers for workers or inputsAMinute, and nothing else');
  if (!isPartialAllowance(allowance))
    return refuse(
      'allowance must have lists for engines, tools or claims, and nothing else; a claim is a resource such as "fs:/srv/acme"',
    );
  return { to, workspaces, may: permissions, workers, runtimes, limits, allowance };
};

/** Parses a policy file. @throws INVALID_REQUEST with the place of the mistake */
const parsePolicy = (text: string): readonly Rule[] => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new RuntimeError('INVALID_REQUEST', 'The policy is not valid JSON', { cause });
  }
  const { grants, ...others } = Object(value) as { readonly grants?: unknown };
  if (!Array.isArray(grants) || grants.length > MAX_RULES || Object.keys(others).length > 0)
    throw new RuntimeError(
      'INVALID_REQUEST',
      `The policy must be { "grants": [ … ] }, with up to ${MAX_RULES} grants`,
    );
  return grants.map(ruleOf);
};

/** Reads and parses a policy file. @throws INVALID_REQUEST it cannot be read, can be changed by other users, or is not valid */
export const readPolicy = async (path: string): Promise<readonly Rule[]> =>
  parsePolicy(
    await readOwnedFile(
      path,
      'write',
      (message) => new RuntimeError('INVALID_REQUEST', `The policy file ${path} ${message}`),
    ),
  );

/** Returns the decision of rules about a person in a workspace. */
export const explain = (rules: readonly Rule[], { name, groups }: Person, workspace: string): Explanation => {
  const names = new Set(['*', name, ...groups.map((group) => `group:${group}`)]);
  const index = rules.findIndex(
    ({ to, workspaces }) =>
      to.some((one) => names.has(one)) && (workspaces.includes('*') || workspaces.includes(workspace)),
  );
  const rule = rules[index];
  if (rule === undefined) return { rule: null, grant: null };
  const { may: permissions, workers, runtimes, limits, allowance } = rule;
  return { rule: index, grant: { permissions, workers, runtimes, limits, allowance } };
};

/** The rules of a file, which are read again when it changes. A change that is not valid is logged, and changes nothing. */
export class PolicyFile {
  readonly #file: WatchedFile;
  #rules: readonly Rule[] = [];

  private constructor(path: string, log: Logger, changed: () => void) {
    const apply = async (): Promise<object> => {
      this.#rules = await readPolicy(path);
      changed();
      return { rules: this.#rules.length };
    };
    this.#file = new WatchedFile(path, 'rules of the policy', apply, log);
  }

  /** `changed` is called each time that the rules were read again. @throws INVALID_REQUEST the file cannot be read, or is not valid */
  static async open(path: string, log: Logger, changed: () => void): Promise<PolicyFile> {
    // watched before it is read, so that no change is missed
    const policy = new PolicyFile(path, log, changed);
    try {
      policy.#rules = await readPolicy(path);
    } catch (error) {
      policy.close();
      throw error;
    }
    return policy;
  }

  /** Reads the file again, as it is done when the file changes. Resolves when its rules apply, or are refused in the log. */
  readAgain(): Promise<void> {
    return this.#file.readAgain();
  }

  readonly decide = (person: Person, workspace: string): Grant | null =>
    explain(this.#rules, person, workspace).grant;

  close(): void {
    this.#file.close();
  }
}
