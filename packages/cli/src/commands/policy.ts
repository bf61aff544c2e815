import { resolve } from 'node:path';
import { explain, type Grant, readPolicy } from '@worker-runtime/backend';
import { RuntimeError } from '@worker-runtime/core';
import { usageError } from '../failure.ts';
import type { Output } from '../output.ts';

export interface ExplainFlags {
  readonly policy: string;
  readonly as: string;
  readonly groups: readonly string[];
  readonly workspace: string;
  readonly json: boolean;
}

/** Describes the limits of a grant for people. */
const limitsOf = ({ limits = {} }: Grant): string => {
  const { workers, inputsAMinute } = limits;
  const parts = [
    ...(workers === undefined ? [] : [`${workers} Workers`]),
    ...(inputsAMinute === undefined ? [] : [`${inputsAMinute} inputs a minute`]),
  ];
  return parts.join(', ') || 'none';
};

/** Prints the decision of a policy file. @throws Failure the file is not valid */
export const explainPolicy = async (
  { policy, as, groups, workspace, json }: ExplainFlags,
  output: Output,
): Promise<void> => {
  const explanation = async () => {
    try {
      return explain(await readPolicy(resolve(policy)), { name: as, groups }, workspace);
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
      const { message, cause } = error;
      throw usageError(cause instanceof Error ? `${message}: ${cause.message}` : message);
    }
  };
  const { rule, grant } = await explanation();
  const part = (value: unknown): string => (value === '*' ? 'all' : JSON.stringify(value));
  const text =
    grant === null
      ? `no rule fits: the workspace "${workspace}" does not exist for ${as}`
      : [
          `rule: /grants/${String(rule)}`,
          `permissions: ${grant.permissions.join(', ')}`,
          `Workers: ${part(grant.workers)}`,
          `runtimes: ${part(grant.runtimes)}`,
          `limits: ${limitsOf(grant)}`,
          ...(['engines', 'tools', 'claims'] as const).map(
            (kind) => `${kind}: ${part(grant.allowance?.[kind] ?? '*')}`,
          ),
        ].join('\n');
  output.print(json ? JSON.stringify({ rule, grant }) : text);
};
