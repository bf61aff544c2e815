import type { Engine } from '../contracts/engine.ts';
import type { JsonObject } from '../contracts/json.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import { publicError } from '../plugin-kit/public-text.ts';
import { digestOf } from '../workers/idempotency.ts';

/*
 * Checks what a creation or a change asks of an engine.
 */

const NAMES_SHOWN = 20;

const listed = (names: readonly string[], show: (name: string) => string): string =>
  names.slice(0, NAMES_SHOWN).map(show).join(', ') + (names.length > NAMES_SHOWN ? ', …' : '');

/** Returns an engine by its name. @throws ENGINE_UNKNOWN the details list those that exist */
export const engineNamed = (engines: ReadonlyMap<string, Engine>, name: string): Engine => {
  const engine = engines.get(name);
  if (engine) return engine;
  throw new RuntimeError('ENGINE_UNKNOWN', `The engine "${name}" does not exist`, {
    details: { engine: name, engines: [...engines.keys()] },
  });
};

/** @throws TOOL_UNKNOWN the message names the unknown tools and those that exist */
export const assertTools = ({ name, capabilities }: Engine, tools: readonly string[]): void => {
  const { tools: known = [] } = capabilities;
  const unknown = tools.filter((tool) => !known.includes(tool));
  if (unknown.length === 0) return;
  const what = `tool${unknown.length === 1 ? '' : 's'} ${listed(unknown, (tool) => `"${tool}"`)}`;
  const there = known.length === 0 ? 'it has no tools' : `its tools are ${listed(known, (tool) => tool)}`;
  throw new RuntimeError('TOOL_UNKNOWN', `The engine "${name}" has no ${what}; ${there}`, {
    details: { tools: unknown, known },
  });
};

/** @throws CONFIG_UNSUPPORTED the engine cannot continue a run that was interrupted */
export const assertContinues = ({ name, capabilities }: Engine): void => {
  if (capabilities.continues === true) return;
  throw new RuntimeError('CONFIG_UNSUPPORTED', `The engine "${name}" cannot continue runs`, {
    details: { engine: name, field: 'whenInterrupted' },
  });
};

/** @throws CONFIG_UNSUPPORTED · as `checkConfig` of the engine */
export const assertConfig = (engine: Engine, config: JsonObject): void => {
  try {
    engine.checkConfig?.(config);
  } catch (cause) {
    if (cause instanceof RuntimeError) throw publicError(cause);
    throw new RuntimeError('CONFIG_UNSUPPORTED', `The engine "${engine.name}" does not support this config`, {
      cause,
      details: { engine: engine.name },
    });
  }
};

/** Returns the digest of a config, by which Workers are compared without showing it. */
export const configDigestOf = (config: JsonObject): string =>
  `sha256-${Buffer.from(digestOf(config), 'base64url').toString('hex')}`;
