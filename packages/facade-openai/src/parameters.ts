import { isObject, refuse } from '@worker-runtime/core/plugin-kit';

export type Fields = Readonly<Record<string, unknown>>;

/** Values that a client may send for any parameter, because they ask for nothing. */
const isNeutral = (value: unknown): boolean =>
  value === undefined || value === null || (Array.isArray(value) && value.length === 0);

/** Parameters whose default clients send. Any other value is refused: the Worker has its own settings. */
const DEFAULTS: Readonly<Record<string, unknown>> = {
  n: 1,
  store: true,
  truncation: 'disabled',
  tool_choice: 'auto',
  parallel_tool_calls: true,
  service_tier: 'auto',
};

/** Returns the parameters of a body, without those that ask for nothing. @throws INVALID_REQUEST a parameter is not known */
export const parametersOf = (body: unknown, known: ReadonlySet<string>): Fields => {
  if (!isObject(body)) return refuse('', 'must be an object');
  const given = Object.entries(body).filter(
    ([name, value]) => !isNeutral(value) && (known.has(name) || value !== DEFAULTS[name]),
  );
  for (const [name] of given)
    if (!known.has(name)) refuse(`/${name}`, 'is not supported: the Worker has its own settings');
  return Object.fromEntries(given);
};

export const textAt = (value: unknown, pointer: string): string =>
  typeof value === 'string' && value !== '' ? value : refuse(pointer, 'must be a text');

export const flagAt = (value: unknown, pointer: string): boolean =>
  value === undefined || typeof value === 'boolean'
    ? value === true
    : refuse(pointer, 'must be true or false');
