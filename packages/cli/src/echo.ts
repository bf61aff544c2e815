/** The demonstration engine. It repeats its input, so that a first try needs neither a key nor a network. */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Engine,
  type EngineOutput,
  inputText,
  type Run,
  RuntimeError,
  type RuntimePlugin,
} from '@worker-runtime/core';
import { readOptions } from '@worker-runtime/core/plugin-kit';

/** The config of the engine. It makes the engine slow, or makes it hang or ignore its signal, for trials. */
interface EchoConfig {
  /** The delay before each word, in milliseconds. */
  readonly delayMs: number;
  /** True: the run does not finish after the last word. */
  readonly hang: boolean;
  /** True: the run ignores its abort signal. */
  readonly ignoreAbort: boolean;
  /** The number of times the input is repeated. */
  readonly repeat: number;
}

const DEFAULTS: EchoConfig = { delayMs: 0, hang: false, ignoreAbort: false, repeat: 1 };

const isWhole = (value: unknown, least: number, most: number): boolean =>
  Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;

const ACCEPTED: Readonly<Record<keyof EchoConfig, { allowed: string; accepts(value: unknown): boolean }>> = {
  delayMs: { allowed: 'a whole number from 0 to 60000', accepts: (value) => isWhole(value, 0, 60_000) },
  hang: { allowed: 'true or false', accepts: (value) => typeof value === 'boolean' },
  ignoreAbort: { allowed: 'true or false', accepts: (value) => typeof value === 'boolean' },
  repeat: { allowed: 'a whole number from 1 to 10000', accepts: (value) => isWhole(value, 1, 10_000) },
};
const isKey = (key: string): key is keyof EchoConfig => Object.hasOwn(ACCEPTED, key);

const CONFIG_SCHEMA = {
  type: 'object',
  properties: {
    delayMs: { type: 'integer', minimum: 0, maximum: 60_000, default: DEFAULTS.delayMs },
    hang: { type: 'boolean', default: DEFAULTS.hang },
    ignoreAbort: { type: 'boolean', default: DEFAULTS.ignoreAbort },
    repeat: { type: 'integer', minimum: 1, maximum: 10_000, default: DEFAULTS.repeat },
  } satisfies Readonly<Record<keyof EchoConfig, object>>,
  additionalProperties: false,
};

const unsupported = (key: string, message: string, details: object = {}): RuntimeError =>
  new RuntimeError('CONFIG_UNSUPPORTED', message, { details: { pointer: `/config/${key}`, ...details } });

function checkConfig(config: Readonly<Record<string, unknown>>): void {
  for (const [key, value] of Object.entries(config)) {
    if (!isKey(key))
      throw unsupported(key, `The config of echo has no key "${key}"`, { known: Object.keys(ACCEPTED) });
    if (!ACCEPTED[key].accepts(value))
      throw unsupported(key, `The config key ${key} of echo must be ${ACCEPTED[key].allowed}`);
  }
}

const countWords = (text: string): number => text.match(/\S+/g)?.length ?? 0;

async function* echoInput(
  run: Run,
  { delayMs, hang, ignoreAbort, repeat }: EchoConfig,
): AsyncGenerator<EngineOutput, readonly EngineOutput[]> {
  const input = inputText(run.input, '\n');
  const output = Array.from({ length: repeat }, () => input).join(' ');
  const interruption = ignoreAbort ? {} : { signal: run.signal };
  const files = run.input?.parts.filter((part) => part.type === 'file') ?? [];
  // each piece is a word with the space after it, so that the pieces join to the exact text
  for (const text of output.split(/(?<=\s)(?=\S)/)) {
    if (delayMs > 0) await delay(delayMs, undefined, interruption);
    if (!ignoreAbort) run.signal.throwIfAborted();
    yield { type: 'text', text };
  }
  if (!ignoreAbort) run.signal.throwIfAborted();
  if (hang) {
    await (ignoreAbort ? new Promise(() => {}) : once(run.signal, 'abort'));
    run.signal.throwIfAborted();
  }
  return [
    files.length === 0
      ? { type: 'message' }
      : {
          type: 'message',
          parts: [...(output === '' ? [] : [{ type: 'text', text: output } as const]), ...files],
        },
    { type: 'usage', model: 'echo', inputTokens: countWords(input), outputTokens: countWords(output) },
  ];
}

export const echo = (): Engine => ({
  name: 'echo',
  capabilities: { placement: 'backendInternal', files: ['*/*'], forks: true, readsHistory: false },
  configSchema: CONFIG_SCHEMA,
  checkConfig,
  attach: async ({ config }) => ({
    run: (run) => echoInput(run, { ...DEFAULTS, ...config }),
    detach: async () => {},
  }),
});

export const plugin = (options: Readonly<Record<string, unknown>> = {}): RuntimePlugin => {
  readOptions('echo', options, {});
  return { name: 'echo', apply: (host) => host.useEngine(echo()) };
};
