import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { RuntimeError } from '@worker-runtime/core';
import type { LanguageModel } from 'ai';
import type { ResolvedOptions } from '../options.ts';
import type { Secrets } from '../secrets.ts';
import { boundedFetch } from './bounded-fetch.ts';

/** The key of the provider's own options in the AI SDK. */
type OptionsName = 'model' | 'anthropic';

export interface NamedModel {
  readonly model: Exclude<LanguageModel, string>;
  readonly optionsName: OptionsName;
}

/** Creates models of the configured providers. Reads the current key for each one. */
export class LanguageModels {
  readonly #options: ResolvedOptions;
  readonly #secrets: Secrets;
  readonly #fetch: typeof fetch;

  constructor(options: ResolvedOptions, secrets: Secrets) {
    this.#options = options;
    this.#secrets = secrets;
    this.#fetch = boundedFetch(options.responseBytes);
  }

  /** @throws ENGINE_UNAVAILABLE the provider is no longer configured, or its key is missing */
  async make(providerName: string, modelName: string): Promise<NamedModel> {
    const provider = this.#options.providers[providerName];
    if (!provider)
      throw new RuntimeError('ENGINE_UNAVAILABLE', `The provider "${providerName}" is no longer configured`);
    const apiKey = await this.#secrets.read(provider, `the provider "${providerName}"`);
    const { baseUrl } = provider;
    if (provider.type === 'anthropic') {
      const anthropic = createAnthropic({
        // Without a key, the SDK would read one from the environment by itself.
        apiKey: apiKey ?? '',
        ...(baseUrl !== undefined && { baseURL: baseUrl }),
        fetch: this.#fetch,
      });
      return { model: anthropic(modelName), optionsName: 'anthropic' };
    }
    const compatible = createOpenAICompatible({
      name: 'model',
      baseURL: provider.baseUrl,
      ...(apiKey !== null && { apiKey }),
      includeUsage: true,
      fetch: this.#fetch,
    });
    return { model: compatible(modelName), optionsName: 'model' };
  }
}
