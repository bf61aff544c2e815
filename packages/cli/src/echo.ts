/** The demonstration engine: it says back what it is told, so that a first try needs no key and no network. */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Engine,
  type EngineOutput,
  type Run,
  RuntimeError,
  type RuntimePlugin,
  readOptions,
} from '@worker-runtime/core';

/** For trials of what a slow, a hanging and a deaf engine does to a runtime. */
interface EchoConfig {
  /** Waited before each word. */
  readonly delayMs: number;
  /** Never finishes once everything is said. */
  readonly hang: boolean;
  /** Goes on when it is told to end. */
  readonly ignoreAbort: boolean;
  /** How often the input is said back. */
  readonly repeat: number;
}

const DEFAULTS: EchoConfig = { delayMs: 0, hang: false, ignoreAbort: false, repeat: 1 };

const isWhole = (value: unknown, least: number, most: number): boolean =>
  Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;

const ACCEPTED: Readonly<Record<keyof EchoConfig, { says: string; accepts(value: unknown): boolean }>> = {
  delayMs: { says: 'a whole number from 0 to 60000', accepts: (value) => isWhole(value, 0, 60_000) },
  hang: { says: 'true or false', accepts: (value) => typeof value === 'boolean' },
  ignoreAbort: { says: 'true or false', accepts: (value) => typeof value === 'boolean' },
  repeat: { says: 'a whole number from 1 to 10000', accepts: (value) => isWhole(value, 1, 10_000) },
};
const isKey = (key: string): key is keyof EchoConfig => Object.hasOwn(ACCEPTED, key);

const unsupported = (key: string, message: string, details: object = {}): RuntimeError =>
  new RuntimeError('CONFIG_UNSUPPORTED', message, { details: { pointer: `/config/${key}`, ...details } });

function checkConfig(config: Readonly<Record<string, unknown>>): void {
  for (const [key, value] of Object.entries(config)) {
    if (!isKey(key))
      throw unsupported(key, `The config of echo has no "${key}"`, { known: Object.keys(ACCEPTED) });
    if (!ACCEPTED[key].accepts(value)) throw unsupported(key, `${key} of echo must be ${ACCEPTED[key].says}`);
  }
}

const countWords = (text: string): number => text.match(/\S+/g)?.length ?? 0;

async function* say(
  run: Run,
  { delayMs, hang, ignoreAbort, repeat }: EchoConfig,
): AsyncGenerator<EngineOutput> {
  const input = run.input?.parts.map(({ text }) => text).join('\n') ?? '';
  const output = Array.from({ length: repeat }, () => input).join(' ');
  const interruption = ignoreAbort ? {} : { signal: run.signal };
  // each word with the space after it, so that the pieces add up to the text
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
  yield { type: 'message' };
  yield { type: 'usage', model: 'echo', inputTokens: countWords(input), outputTokens: countWords(output) };
}

export const echo = (): Engine => ({
  name: 'echo',
  capabilities: { placement: 'backendInternal' },
  checkConfig,
  attach: async ({ config }) => ({
    run: (run) => say(run, { ...DEFAULTS, ...config }),
    detach: async () => {},
  }),
});

export const plugin = (options: Readonly<Record<string, unknown>> = {}): RuntimePlugin => {
  readOptions('echo', options, {});
  return { name: 'echo', apply: (host) => host.useEngine(echo()) };
};
