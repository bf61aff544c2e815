import type {
  Engine,
  EngineCapabilities,
  EngineContext,
  EngineOutput,
  EngineSession,
  JsonObject,
  Run,
} from '@worker-runtime/core';
import { RedactedOutputs, TEXT_MEDIA_TYPES } from '@worker-runtime/core/plugin-kit';
import { ContextSize } from './conversation/context-size.ts';
import { LanguageModels } from './model/language-models.ts';
import type { ModelAccess } from './model/model-stream.ts';
import { ModelRun } from './model-run.ts';
import type { ResolvedOptions } from './options.ts';
import type { Secrets } from './secrets.ts';
import type { Toolbox } from './tools/toolbox.ts';
import { configSchemaOf, type WorkerConfig, workerConfig } from './worker-config.ts';

export const ENGINE_NAME = 'ai-sdk';

/**
 * Executes Workers as conversations with a model. Keeps no part of a conversation between runs: it is read from the log.
 */
export class AiSdkEngine implements Engine {
  readonly name = ENGINE_NAME;
  readonly configSchema: JsonObject;
  readonly #options: ResolvedOptions;
  readonly #secrets: Secrets;
  readonly #models: LanguageModels;
  readonly #toolbox: Toolbox;

  constructor(options: ResolvedOptions, secrets: Secrets, toolbox: Toolbox) {
    this.#options = options;
    this.configSchema = configSchemaOf(options.providers);
    this.#secrets = secrets;
    this.#models = new LanguageModels(options, secrets);
    this.#toolbox = toolbox;
  }

  get capabilities(): EngineCapabilities {
    return {
      placement: 'backendInternal',
      requests: true,
      continues: true,
      forks: true,
      tools: this.#toolbox.names,
      // Each session takes those that its model is configured for.
      files: ['*/*'],
    };
  }

  checkConfig(config: JsonObject): void {
    workerConfig(config, this.#options.providers);
  }

  /** @throws CONFIG_UNSUPPORTED · ENGINE_UNAVAILABLE the key of the provider is missing */
  async attach(context: EngineContext): Promise<EngineSession> {
    const config = workerConfig(context.config, this.#options.providers);
    // Checked now, because a missing key or a conflict of tools would fail every run.
    await this.#models.make(config.provider, config.model);
    this.#toolbox.assertDistinct(context.tools);
    const size = new ContextSize();
    return {
      files: [...TEXT_MEDIA_TYPES, ...config.files.mediaTypes],
      run: (run) => this.#run(run, context, config, size),
      detach: async () => {},
    };
  }

  async *#run(
    run: Run,
    context: EngineContext,
    config: WorkerConfig,
    size: ContextSize,
  ): AsyncGenerator<readonly EngineOutput[], readonly EngineOutput[]> {
    const { runtimeId, workerId, labels, tools, log } = context;
    const { runId } = run;
    const logFields = { worker: workerId, run: runId };
    const access: ModelAccess = {
      named: await this.#models.make(config.provider, config.model),
      config,
      options: this.#options,
      secrets: this.#secrets,
      log: {
        debug: (fields, message) => log.debug({ ...logFields, ...fields }, message),
        info: (fields, message) => log.info({ ...logFields, ...fields }, message),
        warn: (fields, message) => log.warn({ ...logFields, ...fields }, message),
        error: (fields, message) => log.error({ ...logFields, ...fields }, message),
      },
    };
    const caller = { runtimeId, workerId, runId, labels };
    const granted = await this.#toolbox.grant(tools, caller, run.signal);
    run.signal.throwIfAborted();
    const modelRun = await ModelRun.begin(run, context, access, granted, size);
    // A tool or an answer of a provider may have shown a key to the model.
    const redacted = new RedactedOutputs(this.#secrets);
    const outputs = modelRun.outputs();
    try {
      for (;;) {
        const { done, value } = await outputs.next();
        if (done) return [...redacted.of(value), ...redacted.rest()];
        yield redacted.of('type' in value ? [value] : value);
      }
    } catch (error) {
      yield redacted.rest();
      throw error;
    } finally {
      await outputs.return([]);
    }
  }
}
