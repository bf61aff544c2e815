import type { Json } from './disk.ts';

interface Target {
  readonly id: { readonly segment_id: string; readonly user_input_entry_index: number };
  readonly expected_head_entries: number;
  readonly truncate_entries: number;
  readonly turn_index: number;
  readonly timestamp_ms: unknown;
  readonly preview: string;
  readonly eligible: true;
}

const previewOf = ({ segments }: Json): string =>
  (segments as readonly Json[]).map(({ content }) => (typeof content === 'string' ? content : '')).join('');

/** Returns the inputs to which a log can be rewound, the last first. A rewind also removes the input's `invoke`. */
export const rewindTargets = (segment: string, entries: readonly Json[]): readonly Target[] =>
  entries
    .flatMap((entry, at) => (entry.kind === 'user_input' ? [{ entry, at }] : []))
    .map(({ entry, at }, turn) => ({
      id: { segment_id: segment, user_input_entry_index: at },
      expected_head_entries: entries.length,
      truncate_entries: at - 1,
      turn_index: turn + 1,
      timestamp_ms: entry.ts,
      preview: previewOf(entry),
      eligible: true as const,
    }))
    .reverse();

/** Returns the target that a client requests, or null if the log has changed since the client read it. */
export const rewindTarget = (segment: string, entries: readonly Json[], params: Json): Target | null => {
  const requested = params.target as Target['id'];
  const found = rewindTargets(segment, entries).find(
    ({ id }) =>
      id.segment_id === requested.segment_id &&
      id.user_input_entry_index === requested.user_input_entry_index,
  );
  return found !== undefined && params.expected_head_entries === entries.length ? found : null;
};
