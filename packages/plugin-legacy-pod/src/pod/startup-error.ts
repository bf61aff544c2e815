import { type ErrorCode, RuntimeError } from '@worker-runtime/core';

/** What a pod says when it cannot start, by what is the same in each of its versions of the line. */
const KNOWN: readonly (readonly [pattern: RegExp, code: ErrorCode, message: string])[] = [
  [/ is already registered$/, 'ENGINE_UNAVAILABLE', 'A pod of this name is running already'],
  [/requested scope .* conflicts with pod /, 'CLAIM_CONFLICT', 'Another pod writes in this directory'],
  [/ is already held by pod /, 'CLAIM_CONFLICT', 'Another pod holds this conversation'],
  [/no segment is materialized yet/, 'CONFIG_UNSUPPORTED', 'The pod never ran, so it cannot be restored'],
  [/has no active session$/, 'CONFIG_UNSUPPORTED', 'The pod has no conversation, so it cannot be restored'],
  [/pod state missing for /, 'CONFIG_UNSUPPORTED', 'Nothing is left of the pod'],
  [/segment not found: /, 'CONFIG_UNSUPPORTED', 'The conversation of the pod is not there any more'],
  [/log corrupted at line \d+/, 'CONFIG_UNSUPPORTED', 'The session log of the pod is damaged'],
  [/did not contain valid UTF-8/, 'CONFIG_UNSUPPORTED', 'The session log of the pod is damaged'],
  [/failed to read pod state for /, 'CONFIG_UNSUPPORTED', 'The metadata of the pod is damaged'],
  [/is not readable under the configured scope/, 'CONFIG_UNSUPPORTED', 'The pod may not read its workspace'],
  [/invalid ticket role /, 'CONFIG_UNSUPPORTED', 'The role is not one of a pod'],
];

const lineOf = (text: string): string => {
  const line = /log corrupted at line (\d+)/.exec(text)?.[1];
  return line === undefined ? '' : `, at line ${line}`;
};

/** Why a pod did not start, as people may read it. What it said itself is for the operator. */
export const startupError = (
  lines: readonly string[],
  exitCode: number | null,
  cause?: unknown,
): RuntimeError => {
  const text = lines.slice(-8).join(' | ');
  const story = new Error(`exit ${exitCode ?? 'by a signal'}: ${text}`, { cause });
  if (cause !== undefined)
    return new RuntimeError('ENGINE_UNAVAILABLE', 'The program of the pods cannot be started', {
      cause: story,
    });
  const known = KNOWN.find(([pattern]) => lines.some((line) => pattern.test(line)));
  if (known) return new RuntimeError(known[1], `${known[2]}${lineOf(text)}`, { cause: story });
  return exitCode === 2
    ? new RuntimeError('CONFIG_UNSUPPORTED', 'The program of the pods does not know what it was asked', {
        cause: story,
      })
    : new RuntimeError('ENGINE_UNAVAILABLE', 'The pod ended before it was ready', { cause: story });
};
