import type { JsonValue, Logger } from '@worker-runtime/core';
import type { Redactor } from '@worker-runtime/core/plugin-kit';
import type { AgentFacts, AgentLink, SessionPlace } from '../agent/agent-link.ts';
import { isSignInRequired, signInMethod, signInRequired } from '../agent/sign-in.ts';
import type { ResolvedAgent } from '../options.ts';
import { recordedSession } from '../worker/session-record.ts';
import { assertTransports } from '../worker/tool-servers.ts';
import type { AcpConfig } from '../worker/worker-config.ts';
import { type OpenedSession, SessionSettings } from './session-settings.ts';

export interface SessionRequest {
  readonly agent: ResolvedAgent;
  readonly config: AcpConfig;
  readonly place: SessionPlace;
  /** The value that the last execution of the Worker recorded. */
  readonly recorded: JsonValue;
  readonly redactor: Redactor;
  readonly workerId: string;
  readonly log: Logger;
}

interface WayToReopen {
  readonly reopen: AgentLink['loadSession'];
  readonly isLoaded: boolean;
}

/** Opens the session of a Worker: the recorded one if the agent still has it, and otherwise a new one. */
export class SessionOpening {
  readonly #link: AgentLink;
  readonly #request: SessionRequest;
  /** The refusal of an agent whose user has to sign in, until it accepts a session. */
  #refusal: unknown = null;

  constructor(link: AgentLink, request: SessionRequest) {
    this.#link = link;
    this.#request = request;
  }

  /** The error for an opening that does not end in time. */
  get timeout(): Error {
    return this.#refusal === null
      ? new Error('The agent was not ready in time')
      : signInRequired(this.#refusal);
  }

  /**
   * @throws ENGINE_UNAVAILABLE the agent requires its user to sign in, or has another version of the protocol ·
   * CONFIG_UNSUPPORTED the agent does not offer a setting of the Worker · any error of the connection
   */
  async open(): Promise<OpenedSession> {
    const { place, recorded, config, agent, redactor } = this.#request;
    const facts = await this.#link.initialize();
    assertTransports(place.mcpServers, facts.capabilities);
    const content = facts.capabilities.promptCapabilities ?? {};
    const apply = async (session: OpenedSession): Promise<OpenedSession> => {
      await new SessionSettings(this.#link, session, agent, redactor).apply(config);
      return session;
    };
    const sessionId = recordedSession(recorded);
    if (sessionId !== null)
      for (const { reopen, isLoaded } of this.#waysToReopen(facts))
        try {
          const offered = await this.#signedIn(facts, () => reopen(sessionId, place));
          return await apply({ sessionId, isNew: false, isLoaded, offered, content });
        } catch (error) {
          const { log, workerId } = this.#request;
          log.warn({ worker: workerId, err: error }, 'An agent could not reopen the session of its Worker');
        }
    const offered = await this.#signedIn(facts, () => this.#link.newSession(place));
    return apply({ sessionId: offered.sessionId, isNew: true, isLoaded: false, offered, content });
  }

  /** Some agents advertise that they resume sessions, and only load them. */
  #waysToReopen({ capabilities }: AgentFacts): readonly WayToReopen[] {
    const link = this.#link;
    const resume = { reopen: link.resumeSession.bind(link), isLoaded: false };
    const load = { reopen: link.loadSession.bind(link), isLoaded: true };
    return [
      ...(capabilities.sessionCapabilities?.resume ? [resume] : []),
      ...(capabilities.loadSession === true ? [load] : []),
    ];
  }

  /** Makes a request, and makes it again after a sign-in if the agent requires one that needs no person. */
  async #signedIn<T>({ signInMethods }: AgentFacts, request: () => Promise<T>): Promise<T> {
    try {
      const answer = await request();
      this.#refusal = null;
      return answer;
    } catch (error) {
      if (!isSignInRequired(error)) throw error;
      this.#refusal = error;
    }
    const method = signInMethod(signInMethods, this.#request.agent.authMethod);
    if (!method) throw signInRequired(this.#refusal);
    try {
      await this.#link.authenticate(method.id);
    } catch (error) {
      throw signInRequired(error);
    }
    try {
      const answer = await request();
      this.#refusal = null;
      return answer;
    } catch (error) {
      throw isSignInRequired(error) ? signInRequired(error) : error;
    }
  }
}
