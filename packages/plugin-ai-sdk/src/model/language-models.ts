import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { RuntimeError } from '@worker-runtime/core';
import type { LanguageModel } from 'ai';
import type { ResolvedOptions } from '../options.ts';
import type { Secrets } from '../secrets.ts';
import { boundedFetch } from './bounded-fetch.ts';

/** The name by which the AI SDK knows a provider's own options. */
type OptionsName = 'model' | 'anthropic';

export interface NamedModel {
  readonly model: Exclude<LanguageModel, string>;
  readonly optionsName: OptionsName;
}

/** Makes models of the configured providers, each with the key as it is now. */
export class LanguageModels {
  readonly #options: ResolvedOptions;
  readonly #secrets: Secrets;
  readonly #fetch: typeof fetch;

  constructor(options: ResolvedOptions, secrets: Secrets) {
    this.#options = options;
    this.#secrets = secrets;
    this.#fetch = boundedFetch(options.responseBytes);
  }

  /** @throws ENGINE_UNAVAILABLE the provider is not configured any more, or its key is not there */
  async make(providerName: string, modelName: string): Promise<NamedModel> {
    const provider = this.#options.providers[providerName];
    if (!provider)
      throw new RuntimeError(
        'ENGINE_UNAVAILABLE',
        `The provider "${providerName}" is not configured any more`,
      );
    const apiKey = await this.#secrets.read(provider, `the provider "${providerName}"`);
    const { baseUrl } = provider;
    if (provider.type === 'anthropic') {
      const anthropic = createAnthropic({
        // without one the SDK would look in the environment by itself
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
