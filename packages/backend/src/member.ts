import { RuntimeError } from '@worker-runtime/core';
import type { Scope } from '@worker-runtime/core/scope';
import type { Caller } from '@worker-runtime/plugin-http';
import type { Credential } from './people/credentials.ts';
import type { GrantLimits } from './policy.ts';
import type { Workspace } from './workspace.ts';

/** A person in a workspace: the caller of a request. */
export class Member implements Caller {
  readonly name: string;
  readonly scope: Scope;
  readonly expiresAt: number;
  readonly withdrawn: AbortSignal;
  readonly workspace: Workspace;
  /** The names of the runtimes that exist for the person. */
  readonly runtimes: '*' | readonly string[];
  readonly limits: GrantLimits;
  readonly credential: Credential;

  constructor(
    credential: Credential,
    workspace: Workspace,
    {
      scope,
      runtimes,
      limits,
      expiresAt,
      withdrawn,
    }: Pick<Member, 'scope' | 'runtimes' | 'limits' | 'expiresAt' | 'withdrawn'>,
  ) {
    this.name = credential.kept.person.name;
    this.scope = scope;
    this.expiresAt = expiresAt;
    this.withdrawn = withdrawn;
    this.workspace = workspace;
    this.runtimes = runtimes;
    this.limits = limits;
    this.credential = credential;
  }
}

/** Every caller of a route that needs a permission is a member: `BackendAccess` makes no others. */
export const memberOf = (caller: Caller): Member => {
  if (caller instanceof Member) return caller;
  throw new RuntimeError('UNAUTHENTICATED');
};
