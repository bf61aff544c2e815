import type { Backend } from './backend.ts';
import { call } from './call.ts';
import { Source } from './source.ts';

/** The login of a person, as a backend reports it. Times are ISO 8601. */
export interface Session {
  readonly name: string;
  readonly groups: readonly string[];
  readonly createdAt: string;
  readonly expiresAt: string | null;
}

export interface WorkspaceName {
  readonly id: string;
  readonly name: string;
}

/** The permissions of a person in the workspace of this page. */
interface Grant {
  readonly workspace: WorkspaceName;
  readonly permissions: readonly string[];
}

export interface ApiToken {
  readonly id: string;
  readonly name: string;
  readonly permissions: readonly string[];
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly usedAt: string;
}

/** One of the sessions of the person. */
export interface OpenSession {
  readonly id: string;
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly usedAt: string;
  /** True for the session of this page. */
  readonly isCurrent: boolean;
}

export interface AccountState {
  /** Null without a login: a server that is no backend has none. */
  readonly session: Session | null;
  /** The workspaces that exist for the person. */
  readonly workspaces: readonly WorkspaceName[];
  /** Null if the workspace of this page does not exist for the person. */
  readonly grant: Grant | null;
}

interface AboutBackend {
  readonly workspace: WorkspaceName;
  readonly caller: { readonly permissions: readonly string[] };
}

/** Returns the address of the page with which people log in. It returns to this page. */
export const loginUrl = (): string =>
  new URL(`/login?return=${encodeURIComponent(location.href)}`, location.origin).href;

export const workspaceUrl = ({ id }: WorkspaceName): string => `/w/${id}/`;

/** The person who looks at the page, where the server is a backend. */
export class Account extends Source<AccountState> {
  #state: AccountState = { session: null, workspaces: [], grant: null };
  #isRead = false;

  constructor(backend: Backend) {
    super();
    backend.subscribe(() => {
      const { isLoaded, isMissing } = backend.get();
      if (this.#isRead || !(isLoaded || isMissing)) return;
      this.#isRead = true;
      void this.#read();
    });
  }

  /** Ends the session, and goes to the page with which people log in. */
  async logOut(): Promise<void> {
    await call('DELETE', 'v1/session');
    location.assign('/login');
  }

  /** The sessions of the person, the newest first. */
  async sessions(): Promise<readonly OpenSession[]> {
    return (await call<{ readonly items: readonly OpenSession[] }>('GET', 'v1/sessions')).items;
  }

  async endSession({ id }: OpenSession): Promise<void> {
    await call('DELETE', `v1/sessions/${encodeURIComponent(id)}`);
  }

  async endOtherSessions(): Promise<void> {
    await call('DELETE', 'v1/sessions');
  }

  async tokens(): Promise<readonly ApiToken[]> {
    return (await call<{ readonly items: readonly ApiToken[] }>('GET', 'v1/tokens')).items;
  }

  /** Creates an API token, and returns its secret. */
  async createToken(request: {
    readonly name: string;
    readonly permission: string;
    readonly expiresAt?: string;
  }): Promise<string> {
    return (await call<{ readonly token: string }>('POST', 'v1/tokens', request)).token;
  }

  async deleteToken({ id }: ApiToken): Promise<void> {
    await call('DELETE', `v1/tokens/${encodeURIComponent(id)}`);
  }

  protected override take(): AccountState {
    return this.#state;
  }

  async #read(): Promise<void> {
    const session = await call<Session>('GET', 'v1/session').catch(() => null);
    if (session === null) return;
    const [workspaces, about] = await Promise.all([
      call<{ readonly items: readonly WorkspaceName[] }>('GET', 'v1/workspaces').catch(() => ({ items: [] })),
      call<AboutBackend>('GET', 'v1/backend').catch(() => null),
    ]);
    this.#state = {
      session,
      workspaces: workspaces.items,
      grant: about && { workspace: about.workspace, permissions: about.caller.permissions },
    };
    this.changed();
  }
}
