import type { Engine } from '../contracts/engine.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';

const NAMES_SHOWN = 20;

const listed = (names: readonly string[], show: (name: string) => string): string =>
  names.slice(0, NAMES_SHOWN).map(show).join(', ') + (names.length > NAMES_SHOWN ? ', …' : '');

/** @throws TOOL_UNKNOWN with what is not there, and what is */
export const assertTools = ({ name, capabilities }: Engine, tools: readonly string[]): void => {
  const { tools: known = [] } = capabilities;
  const unknown = tools.filter((tool) => !known.includes(tool));
  if (unknown.length === 0) return;
  const what = `tool${unknown.length === 1 ? '' : 's'} ${listed(unknown, (tool) => `"${tool}"`)}`;
  const there = known.length === 0 ? 'it has none' : `there are ${listed(known, (tool) => tool)}`;
  throw new RuntimeError('TOOL_UNKNOWN', `The engine "${name}" has no ${what}: ${there}`, {
    details: { tools: unknown, known },
  });
};
