import type { PromptCapabilities } from '@agentclientprotocol/sdk';
import { isObject, type Redactor } from '@worker-runtime/core/plugin-kit';
import type { AgentLink } from '../agent/agent-link.ts';
import { isSignInRequired } from '../agent/sign-in.ts';
import type { ResolvedAgent } from '../options.ts';
import { type AcpConfig, configRefusal, mustBeOneOf } from '../worker/worker-config.ts';

type Facts = Readonly<Record<string, unknown>>;
type Kind = 'mode' | 'model';

const objectsIn = (list: unknown): readonly Facts[] => (Array.isArray(list) ? list.filter(isObject) : []);

const textsOf = (list: readonly Facts[], key: string): readonly string[] =>
  list.flatMap((item) => (typeof item[key] === 'string' ? [item[key]] : []));

/** The values of an option. Its choices may be in groups. */
const valuesOf = ({ options }: Facts): readonly string[] =>
  objectsIn(options).flatMap((one) => textsOf('group' in one ? objectsIn(one.options) : [one], 'value'));

/** A session, and the answer with which the agent opened it. */
export interface OpenedSession {
  readonly sessionId: string;
  /** True if the session is new, so that the agent does not know the earlier conversation. */
  readonly isNew: boolean;
  /** True if the agent replays the earlier conversation. */
  readonly isLoaded: boolean;
  readonly offered: unknown;
  /** The content that prompts of the agent can have, besides text and links. */
  readonly content: PromptCapabilities;
}

/** The members of the lists of modes and models. The one of models is of an earlier version of the protocol. */
const LISTS = {
  mode: { list: 'modes', available: 'availableModes', id: 'id', current: 'currentModeId' },
  model: { list: 'models', available: 'availableModels', id: 'modelId', current: 'currentModelId' },
} as const;

const OFFERS = ['modes', 'models', 'configOptions'];

/**
 * Applies the settings of a Worker's configuration to the session of its agent: a mode, a model, and further options.
 * Agents offer modes and models as options of the session, or as lists of their own, which older ones have.
 */
export class SessionSettings {
  readonly #link: AgentLink;
  readonly #sessionId: string;
  readonly #agent: ResolvedAgent;
  readonly #redactor: Redactor;
  readonly #offered: Facts;
  /** True if the agent did not say what it offers, which happens for a session that it reopens. */
  readonly #isUnknown: boolean;
  #options: readonly Facts[];

  constructor(
    link: AgentLink,
    { sessionId, isNew, offered }: OpenedSession,
    agent: ResolvedAgent,
    redactor: Redactor,
  ) {
    this.#link = link;
    this.#sessionId = sessionId;
    this.#offered = isObject(offered) ? offered : {};
    this.#isUnknown =
      !isNew &&
      OFFERS.every((offer) => !isObject(this.#offered[offer]) && !Array.isArray(this.#offered[offer]));
    this.#options = objectsIn(this.#offered.configOptions);
    this.#agent = agent;
    this.#redactor = redactor;
  }

  /**
   * The model comes first: the modes and options may depend on it.
   * @throws CONFIG_UNSUPPORTED the agent does not offer or refuses a setting; the error names what it offers
   */
  async apply({ mode, model, configOptions = {} }: AcpConfig): Promise<void> {
    if (model !== undefined) await this.#choose('model', model);
    if (mode !== undefined) await this.#choose('mode', mode);
    for (const [id, value] of Object.entries(configOptions)) {
      const key = `configOptions/${id.replaceAll('~', '~0').replaceAll('/', '~1')}`;
      const option = this.#options.find((one) => one.id === id);
      if (this.#isUnknown) await this.#accepted(key, () => this.#link.setOption(this.#sessionId, id, value));
      else if (!option) throw this.#unknown(key, textsOf(this.#options, 'id'), 'options');
      else await this.#setOption(key, option, value);
    }
  }

  async #choose(kind: Kind, value: string): Promise<void> {
    const option =
      this.#options.find(({ category }) => category === kind) ?? this.#options.find(({ id }) => id === kind);
    if (option) return this.#setOption(kind, option, value);
    const { list, available, id, current } = LISTS[kind];
    const values = textsOf(objectsIn(memberOf(this.#offered[list], available)), id);
    if (!this.#isUnknown && !values.includes(value)) throw this.#unknown(kind, values, list);
    if (memberOf(this.#offered[list], current) === value) return;
    await this.#accepted(kind, () =>
      kind === 'mode'
        ? this.#link.setMode(this.#sessionId, value)
        : this.#link.setModel(this.#sessionId, value),
    );
  }

  async #setOption(key: string, option: Facts, value: string | boolean): Promise<void> {
    const { id, category, type, currentValue } = option;
    const kind = [category, id].find((one): one is Kind => one === 'mode' || one === 'model');
    const allowed = kind === undefined ? null : kind === 'mode' ? this.#agent.modes : this.#agent.models;
    const values = valuesOf(option).filter((one) => allowed?.includes(one) ?? true);
    if (type === 'boolean' ? typeof value !== 'boolean' : !values.some((one) => one === value))
      throw type === 'boolean'
        ? configRefusal(key, 'must be a boolean')
        : this.#unknown(key, values, 'values');
    if (currentValue === value) return;
    const answer = await this.#accepted(key, () => this.#link.setOption(this.#sessionId, String(id), value));
    // One option may change which others there are.
    if (Array.isArray(memberOf(answer, 'configOptions')))
      this.#options = objectsIn(memberOf(answer, 'configOptions'));
  }

  async #accepted(key: string, set: () => Promise<unknown>): Promise<unknown> {
    try {
      return await set();
    } catch (error) {
      if (isSignInRequired(error) || typeof memberOf(error, 'code') !== 'number') throw error;
      throw configRefusal(key, 'was refused by the agent', undefined, error);
    }
  }

  #unknown(key: string, values: readonly string[], what: string): Error {
    const shown = values.map((value) => this.#redactor.text(value));
    return shown.length === 0
      ? configRefusal(key, `is not supported: the agent offers no ${what}`, [])
      : configRefusal(key, mustBeOneOf(shown), shown);
  }
}

const memberOf = (value: unknown, name: string): unknown => (isObject(value) ? value[name] : undefined);
