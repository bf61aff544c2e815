import {
  type Engine,
  type EngineCapabilities,
  type EngineContext,
  type EngineOutput,
  type EngineSession,
  type JsonObject,
  RedactedOutputs,
  type Run,
} from '@worker-runtime/core';
import { LanguageModels } from './model/language-models.ts';
import type { ModelAccess } from './model/model-stream.ts';
import { ModelRun } from './model-run.ts';
import type { ResolvedOptions } from './options.ts';
import type { Secrets } from './secrets.ts';
import type { Toolbox } from './tools/toolbox.ts';
import { type WorkerConfig, workerConfig } from './worker-config.ts';

export const ENGINE_NAME = 'ai-sdk';

/** A Worker is a conversation with a model. Nothing is kept between runs: what was said is in the log. */
export class AiSdkEngine implements Engine {
  readonly name = ENGINE_NAME;
  readonly #options: ResolvedOptions;
  readonly #secrets: Secrets;
  readonly #models: LanguageModels;
  readonly #toolbox: Toolbox;

  constructor(options: ResolvedOptions, secrets: Secrets, toolbox: Toolbox) {
    this.#options = options;
    this.#secrets = secrets;
    this.#models = new LanguageModels(options, secrets);
    this.#toolbox = toolbox;
  }

  get capabilities(): EngineCapabilities {
    return { placement: 'backendInternal', requests: true, tools: this.#toolbox.names };
  }

  checkConfig(config: JsonObject): void {
    workerConfig(config, this.#options.providers);
  }

  /** @throws CONFIG_UNSUPPORTED · ENGINE_UNAVAILABLE the provider's key is not there */
  async attach(context: EngineContext): Promise<EngineSession> {
    const config = workerConfig(context.config, this.#options.providers);
    // what would fail each run is said now
    await this.#models.make(config.provider, config.model);
    await this.#toolbox.grant(context.tools);
    return { run: (run) => this.#run(run, context, config), detach: async () => {} };
  }

  async *#run(
    run: Run,
    context: EngineContext,
    config: WorkerConfig,
  ): AsyncGenerator<readonly EngineOutput[]> {
    const { workerId, tools, log } = context;
    const note = { worker: workerId, run: run.runId };
    const access: ModelAccess = {
      named: await this.#models.make(config.provider, config.model),
      config,
      options: this.#options,
      secrets: this.#secrets,
      log: {
        debug: (fields, message) => log.debug({ ...note, ...fields }, message),
        info: (fields, message) => log.info({ ...note, ...fields }, message),
        warn: (fields, message) => log.warn({ ...note, ...fields }, message),
        error: (fields, message) => log.error({ ...note, ...fields }, message),
      },
    };
    const grants = await this.#toolbox.grant(tools);
    run.signal.throwIfAborted();
    const current = await ModelRun.begin(run, context, access, grants);
    // a model may have been told a key, by a tool or a provider's answer
    const redacted = new RedactedOutputs(this.#secrets);
    try {
      for await (const output of current.outputs())
        yield redacted.of(Array.isArray(output) ? output : [output as EngineOutput]);
    } catch (error) {
      yield redacted.rest();
      throw error;
    }
    yield redacted.rest();
  }
}
