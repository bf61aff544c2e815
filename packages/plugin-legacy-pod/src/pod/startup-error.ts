import { type ErrorCode, RuntimeError } from '@worker-runtime/core';

/** The error lines of a pod that cannot start. Each pattern has only the words that all versions of the line share. */
const KNOWN: readonly (readonly [pattern: RegExp, code: ErrorCode, message: string])[] = [
  [/ is already registered$/, 'ENGINE_UNAVAILABLE', 'A pod with this name is already running'],
  [
    /requested scope .* conflicts with pod /,
    'CLAIM_CONFLICT',
    'Another pod has write access to this directory',
  ],
  [/ is already held by pod /, 'CLAIM_CONFLICT', 'Another pod uses this conversation'],
  [/no segment is materialized yet/, 'CONFIG_UNSUPPORTED', 'The pod never ran, so it cannot be restored'],
  [/has no active session$/, 'CONFIG_UNSUPPORTED', 'The pod has no conversation, so it cannot be restored'],
  [/pod state missing for /, 'CONFIG_UNSUPPORTED', 'The pod does not exist any more'],
  [/segment not found: /, 'CONFIG_UNSUPPORTED', 'The session log of the pod is missing'],
  [/log corrupted at line \d+/, 'CONFIG_UNSUPPORTED', 'The session log of the pod is damaged'],
  [/did not contain valid UTF-8/, 'CONFIG_UNSUPPORTED', 'The session log of the pod is damaged'],
  [/failed to read pod state for /, 'CONFIG_UNSUPPORTED', 'The metadata of the pod is damaged'],
  [
    /is not readable under the configured scope/,
    'CONFIG_UNSUPPORTED',
    'The scope of the pod does not allow it to read its workspace',
  ],
  [/invalid ticket role /, 'CONFIG_UNSUPPORTED', 'The program of the pods does not accept this role'],
];

const lineOf = (text: string): string => {
  const line = /log corrupted at line (\d+)/.exec(text)?.[1];
  return line === undefined ? '' : `, at line ${line}`;
};

/** Returns the public error for a pod that did not start. Its `cause` has the pod's error lines, for the operator. */
export const startupError = (
  lines: readonly string[],
  exitCode: number | null,
  cause?: unknown,
): RuntimeError => {
  const text = lines.slice(-8).join(' | ');
  const privateCause = new Error(`exit code ${exitCode ?? 'unknown'}: ${text}`, { cause });
  if (cause !== undefined)
    return new RuntimeError('ENGINE_UNAVAILABLE', 'The program of the pods cannot be started', {
      cause: privateCause,
    });
  const known = KNOWN.find(([pattern]) => lines.some((line) => pattern.test(line)));
  if (known) return new RuntimeError(known[1], `${known[2]}${lineOf(text)}`, { cause: privateCause });
  return exitCode === 2
    ? new RuntimeError(
        'CONFIG_UNSUPPORTED',
        'The program of the pods does not support the requested options',
        {
          cause: privateCause,
        },
      )
    : new RuntimeError('ENGINE_UNAVAILABLE', 'The pod exited before it was ready', { cause: privateCause });
};
