import type { Labels, Permission } from '@worker-runtime/core/scope';
import { type Call, Connection } from './connection.ts';
import { apiOf, type ClientOptions, timingOf } from './options.ts';

/** The time for which a backend waits for a person before it answers, in milliseconds. */
const DECISION_MS = 20_000;

/** The login of a program that a person allows on another machine. */
export interface DeviceLogin {
  /** The secret with which the program asks for its token. */
  readonly deviceCode: string;
  /** The code that the person types at `url`. */
  readonly userCode: string;
  readonly url: string;
  readonly expiresAt: string;
}

/** An API token of a backend. Only this answer has its secret. */
export interface IssuedToken {
  readonly token: string;
  readonly id: string;
  readonly name: string;
  readonly permissions: readonly Permission[];
  readonly workers: '*' | readonly Labels[];
  readonly createdAt: string;
  readonly expiresAt: string | null;
}

/** A link with which a person logs in once. */
export interface LoginLink {
  readonly url: string;
  readonly expiresAt: string;
}

/** The logins of a backend, for programs. Its errors are those of `RuntimeClient`. */
export interface LoginClient {
  /** Begins the login of a program. `permission` is the most that its token may have; by default all that the person has. */
  begin(request: { readonly name: string; readonly permission?: string }): Promise<DeviceLogin>;
  /**
   * Waits up to 20 seconds for the person. Returns null if the person has not decided.
   * @throws FORBIDDEN the person refused · UNAUTHENTICATED the code is used or too old
   */
  finish(deviceCode: string): Promise<IssuedToken | null>;
  /** Ends the token of this client. @throws UNAUTHENTICATED it has ended already */
  end(): Promise<void>;
  /** Creates a link for a person, by default the user of the backend. Needs the token that a backend writes for its own user. */
  link(person?: { readonly name?: string; readonly groups?: readonly string[] }): Promise<LoginLink>;
}

class HttpLogins implements LoginClient {
  readonly #connection: Connection;

  constructor(options: Omit<ClientOptions, 'runtime'>) {
    this.#connection = new Connection(apiOf(options), options, timingOf(options));
  }

  begin(request: { readonly name: string; readonly permission?: string }): Promise<DeviceLogin> {
    return this.#post('/device-logins', request);
  }

  async finish(deviceCode: string): Promise<IssuedToken | null> {
    const answer = await this.#post<IssuedToken | { readonly state: string }>(
      '/device-logins/token',
      { deviceCode },
      DECISION_MS,
    );
    return 'token' in answer ? answer : null;
  }

  async end(): Promise<void> {
    await this.#connection.call({ method: 'DELETE', path: '/session' });
  }

  link(person: { readonly name?: string; readonly groups?: readonly string[] } = {}): Promise<LoginLink> {
    return this.#post('/links', person);
  }

  async #post<T>(path: Call['path'], body: object, extraMs = 0): Promise<T> {
    return (await this.#connection.call({ method: 'POST', path, body, extraMs })).body as T;
  }
}

/** Creates a client of the logins of a backend. It connects at the first call. @throws TypeError an option is invalid */
export const loginClient = (options: Omit<ClientOptions, 'runtime'>): LoginClient => new HttpLogins(options);
