import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { RuntimeError } from '@worker-runtime/core';
import { ownValue } from '@worker-runtime/core/plugin-kit';
import type { LanguageModel } from 'ai';
import type { ResolvedOptions } from '../options.ts';
import type { Secrets } from '../secrets.ts';
import { AnthropicMessages } from './anthropic-messages.ts';
import { boundedFetch } from './bounded-fetch.ts';
import { ChatCompletions } from './chat-completions.ts';
import { embeddedModel } from './embedded-model.ts';
import type { RequestObserver } from './regular-answer.ts';
import { regularFetch } from './regular-fetch.ts';
import type { SilenceLimits } from './silence-limit.ts';

/** The key of the provider's own options in the AI SDK, or null if the options have their keys already. */
type OptionsName = 'model' | 'anthropic' | null;

/** The settings of one request to a model. */
interface RequestSettings {
  /** The number of attempts after the first one. */
  readonly retries: number;
  readonly observer: RequestObserver;
}

export interface NamedModel {
  /** Creates the model of the AI SDK for one request. */
  open(settings: RequestSettings): Exclude<LanguageModel, string>;
  readonly optionsName: OptionsName;
  readonly limits: SilenceLimits;
}

/** Creates models of the configured providers. Reads the current key for each one. */
export class LanguageModels {
  readonly #options: ResolvedOptions;
  readonly #secrets: Secrets;
  readonly #fetch: typeof fetch;
  /** The models that refuse to get their reasoning back, each as `provider model`. */
  readonly #refusing = new Set<string>();

  constructor(options: ResolvedOptions, secrets: Secrets) {
    this.#options = options;
    this.#secrets = secrets;
    this.#fetch = boundedFetch(options.responseBytes);
  }

  /** @throws ENGINE_UNAVAILABLE the provider is no longer configured, or its key is missing */
  async make(providerName: string, modelName: string): Promise<NamedModel> {
    const provider = ownValue(this.#options.providers, providerName);
    if (!provider)
      throw new RuntimeError('ENGINE_UNAVAILABLE', `The provider "${providerName}" is no longer configured`);
    const { stallMs = this.#options.stallMs, firstTokenMs } = provider;
    const limits = { stallMs, firstTokenMs };
    if (provider.type === 'embedded') {
      const model = Object.hasOwn(provider.models, modelName) ? provider.models[modelName] : undefined;
      if (!model)
        throw new RuntimeError('ENGINE_UNAVAILABLE', `The model "${modelName}" is no longer configured`);
      const { responseBytes } = this.#options;
      return {
        optionsName: null,
        limits,
        open: ({ observer }) => embeddedModel(model, observer, responseBytes),
      };
    }
    const { baseUrl } = provider;
    const apiKey = await this.#secrets.read(provider, `the provider "${providerName}"`);
    const key = `${providerName} ${modelName}`;
    const refusals = {
      isKnown: (): boolean => this.#refusing.has(key),
      learn: () => void this.#refusing.add(key),
    };
    if (provider.type === 'anthropic')
      return {
        optionsName: 'anthropic',
        limits,
        open: (settings) =>
          createAnthropic({
            // Without a key, the SDK would read one from the environment by itself.
            apiKey: apiKey ?? '',
            ...(baseUrl !== undefined && { baseURL: baseUrl }),
            fetch: regularFetch(this.#fetch, () => new AnthropicMessages(), { ...settings, refusals }),
          })(modelName),
      };
    return {
      optionsName: 'model',
      limits,
      open: (settings) =>
        createOpenAICompatible({
          name: 'model',
          baseURL: provider.baseUrl,
          ...(apiKey !== null && { apiKey }),
          includeUsage: true,
          fetch: regularFetch(this.#fetch, () => new ChatCompletions(), { ...settings, refusals }),
        })(modelName),
    };
  }
}
