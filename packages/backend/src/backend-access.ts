import type { IncomingMessage } from 'node:http';
import { type Logger, RuntimeError } from '@worker-runtime/core';
import { ownValue } from '@worker-runtime/core/plugin-kit';
import { covers, type Labels, type Scope } from '@worker-runtime/core/scope';
import { type Access, bearerTokenOf, type Caller, prefixOf } from '@worker-runtime/plugin-http';
import { type AuditLog, isCommand } from './audit/audit-log.ts';
import { Member } from './member.ts';
import type { Cookie } from './people/cookie.ts';
import type { Credential, Credentials, TokenLimit } from './people/credentials.ts';
import { RateLimit } from './people/rate-limit.ts';
import { decide, type Policy, scopeOf } from './policy.ts';
import type { Workspace } from './workspace.ts';

/** The time for which a decision of the policy is used again. */
const DECISION_USED_MS = 60_000;
/** The most decisions about one person that a request asks for at the same time. */
const DECISIONS_AT_ONCE = 8;
/** The longest time of a stream. Its client then opens it again, with what its person may do at that time. */
const STREAM_MS = 3_600_000;

export interface AccessParts {
  readonly credentials: Credentials;
  readonly cookie: Cookie;
  readonly policy: Policy;
  readonly workspaces: ReadonlyMap<string, Workspace>;
  readonly audit: AuditLog;
  readonly log: Logger;
}

interface Decided {
  readonly member: Member | null;
  /** Steady time, in ms: a clock that is set back would keep the decision. */
  readonly at: number;
  readonly authority: AbortSignal;
}

/** The Workers that both selections contain. */
const both = (one: Scope['workers'], other: Scope['workers']): Scope['workers'] => {
  if (one === '*') return other;
  if (other === '*') return one;
  return one.flatMap((a): Labels[] =>
    other
      .filter((b) => Object.entries(b).every(([key, value]) => (ownValue(a, key) ?? value) === value))
      .map((b) => ({ ...a, ...b })),
  );
};

const narrowed = (scope: Scope, limit: TokenLimit | null): Scope =>
  limit === null
    ? scope
    : {
        ...scope,
        permissions: limit.permissions.filter((permission) => covers(scope.permissions, permission)),
        workers: both(scope.workers, limit.workers),
      };

/**
 * Matches the methods and paths of commands that give work: creations, which may have an input, forks, inputs, and all that mounted handlers
 * may take for one, because only they understand it. A command below a Worker counts unless it is one that ends work, or makes none.
 */
const INPUT =
  /^(?:(?:POST|PUT|PATCH) \/v1\/runtimes\/[^/?]+\/x\/|POST \/v1\/runtimes\/[^/?]+\/workers(?!\/[^/?]+\/(?:cancel|stop|resume|files|requests)(?:[/?]|$))(?:[/?]|$))/;

const isInput = ({ method, url = '' }: IncomingMessage): boolean =>
  method !== 'GET' && INPUT.test(`${method} ${url}`);

const isOfMetrics = ({ url = '' }: IncomingMessage): boolean =>
  url === '/metrics' || url.startsWith('/metrics?');

/** Returns the id of the workspace that the path of a request names. */
export const workspaceIdOf = (request: IncomingMessage): string =>
  prefixOf(request).slice('/w/'.length) || 'default';

/** Identifies people by the cookie of a session or by an API token, and asks the policy what they may do in a workspace. */
export class BackendAccess implements Access {
  readonly isOpen = false;
  readonly #parts: AccessParts;
  readonly #decided = new WeakMap<Credential, Map<string, Decided>>();
  readonly #inputs = new RateLimit(
    Number.POSITIVE_INFINITY,
    'Your grant allows no more inputs and creations within this minute',
  );
  /** The senders of requests whose callers may not be members. */
  readonly #senders = new WeakMap<IncomingMessage, Credential>();

  constructor(parts: AccessParts) {
    this.#parts = parts;
  }

  identify(request: IncomingMessage): Caller | Promise<Caller> {
    const credential = this.#credentialOf(request, false);
    const kept = this.#keptIn(workspaceIdOf(request), credential);
    // most requests count against no limit, and their member names the sender
    if (kept && !isInput(request) && !isOfMetrics(request)) return kept;
    this.#senders.set(request, credential);
    return this.#memberOf(request, credential);
  }

  identifyUpgrade(request: IncomingMessage): Caller | Promise<Caller> {
    return this.#memberOf(request, this.authenticate(request, true));
  }

  /**
   * Returns the credential of a request.
   * @throws UNAUTHENTICATED · FORBIDDEN a page of another origin may have sent the request
   */
  authenticate(request: IncomingMessage, isUpgrade = false): Credential {
    const credential = this.#credentialOf(request, isUpgrade);
    this.#senders.set(request, credential);
    return credential;
  }

  /** Notes the credential that a login has made: from then on, the request has a sender. */
  loggedIn(request: IncomingMessage, credential: Credential): void {
    this.#senders.set(request, credential);
  }

  /** Returns the credential with which a request of this caller was authenticated; null if it was not. */
  senderOf(request: IncomingMessage, caller: Caller): Credential | null {
    return caller instanceof Member ? caller.credential : (this.#senders.get(request) ?? null);
  }

  #credentialOf(request: IncomingMessage, isUpgrade: boolean): Credential {
    const { credentials, cookie, audit } = this.#parts;
    if (isCommand(request.method)) audit.assertWritable();
    const token = bearerTokenOf(request, isUpgrade);
    const secret = token ?? cookie.of(request);
    if (secret === null)
      throw new RuntimeError('UNAUTHENTICATED', 'Log in, or send an API token as a bearer token');
    const credential = credentials.find(secret);
    if (credential === null || (token === null) !== (credential.kept.kind === 'session'))
      throw new RuntimeError(
        'UNAUTHENTICATED',
        token === null ? 'The session has ended' : 'The access token is unknown',
      );
    if (token === null) cookie.assertOwnPage(request, isUpgrade);
    return credential;
  }

  #memberOf(request: IncomingMessage, credential: Credential): Caller | Promise<Caller> {
    const member = this.#found(request, credential);
    return member instanceof Promise
      ? member.then((one) => this.#counted(request, one))
      : this.#counted(request, member);
  }

  /** Applies the limits of the grant to inputs and creations. Refused ones count too. @throws LIMIT_REACHED */
  #counted(request: IncomingMessage, member: Member): Member {
    if (!isInput(request)) return member;
    const { name, workspace, limits } = member;
    workspace.quota.allow(name, limits.workers);
    if (limits.inputsAMinute === undefined) return member;
    this.#inputs.take(`${workspace.id} ${name}`, limits.inputsAMinute);
    return member;
  }

  #found(request: IncomingMessage, credential: Credential): Member | Promise<Member> {
    const member = this.#memberIn(workspaceIdOf(request), credential);
    if (isOfMetrics(request)) return this.#ofMetrics(credential, member);
    return member instanceof Promise ? member.then(present) : present(member);
  }

  /** Returns the workspaces that exist for a person. */
  async workspacesOf(credential: Credential): Promise<readonly Workspace[]> {
    return (await this.#membersIn(credential)).flatMap((member) => member?.workspace ?? []);
  }

  /** Returns the person as a member of each workspace; null where the workspace does not exist for the person. */
  async #membersIn(credential: Credential): Promise<readonly (Member | null)[]> {
    const ids = [...this.#parts.workspaces.keys()];
    const members: (Member | null)[] = [];
    const waiting = ids.entries();
    // all take from one iterator, so that a policy is asked a few questions at a time
    const decideNext = async (): Promise<void> => {
      for (const [at, id] of waiting) members[at] = await this.#memberIn(id, credential);
    };
    await Promise.all(Array.from({ length: DECISIONS_AT_ONCE }, decideNext));
    return members;
  }

  /** Returns the person as a member of a workspace, by the decision of the last minute or a new one. */
  #memberIn(id: string, credential: Credential): Member | null | Promise<Member | null> {
    const kept = this.#keptIn(id, credential);
    return kept === undefined ? this.#decide(credential, id) : kept;
  }

  /** Returns the member by the decision of the last minute; `undefined` if there is none. */
  #keptIn(id: string, credential: Credential): Member | null | undefined {
    const kept = this.#decided.get(credential)?.get(id);
    const isFresh = kept && kept.at + DECISION_USED_MS > performance.now();
    return isFresh && kept.authority === credential.authority ? kept.member : undefined;
  }

  /** Asks the policy, and keeps its decision for a while. Null if the workspace does not exist for the person. */
  async #decide(credential: Credential, id: string): Promise<Member | null> {
    const { policy, workspaces, log } = this.#parts;
    const workspace = workspaces.get(id);
    if (workspace === undefined) return null;
    const at = performance.now();
    // read before the wait: a change of the policy in between makes the decision a past one
    const { authority } = credential;
    const { person, limit, expiresAt } = credential.kept;
    const ends = Math.min(Date.now() + STREAM_MS, expiresAt ?? Number.POSITIVE_INFINITY);
    const grant = await decide(policy, person, id, log);
    const scope = grant && narrowed(scopeOf(grant, person, id), limit);
    const member =
      grant && scope && scope.permissions.length > 0
        ? new Member(credential, workspace, {
            scope,
            runtimes: grant.runtimes,
            limits: grant.limits ?? {},
            expiresAt: ends,
            withdrawn: authority,
          })
        : null;
    const ofCredential = this.#decided.get(credential) ?? new Map<string, Decided>();
    this.#decided.set(credential, ofCredential.set(id, { member, at, authority }));
    return member;
  }

  /** @throws FORBIDDEN the metrics are about all workspaces, and the person does not see all Workers of each */
  async #ofMetrics(credential: Credential, member: Member | null | Promise<Member | null>): Promise<Member> {
    const caller = present(await member);
    for (const one of await this.#membersIn(credential))
      if (one?.scope.workers !== '*' || one.runtimes !== '*')
        throw new RuntimeError(
          'FORBIDDEN',
          'The metrics are about all workspaces, and you see a part of them',
        );
    return caller;
  }
}

/** @throws ROUTE_NOT_FOUND there is no such workspace, or none for this person: the same answer */
const present = (member: Member | null): Member => {
  if (member === null) throw new RuntimeError('ROUTE_NOT_FOUND', 'There is no such workspace');
  return member;
};
