/** Scripts of runs for the tests of all façades. */
import type { ScriptStep } from '@worker-runtime/core/testing';

export const words = (...all: readonly string[]): readonly ScriptStep[] =>
  all.map((text) => ({ type: 'text', text }));

/** A permission for a call. */
export const permission = (
  call: string,
  reply: (decision: string | null) => readonly ScriptStep[],
): ScriptStep => ({
  type: 'ask',
  question: {
    kind: 'permission',
    prompt: 'Write the file?',
    call,
    options: [
      { id: 'yes', label: 'Write', kind: 'allow-once' },
      { id: 'no', label: 'Refuse', kind: 'reject-once' },
    ],
  },
  reply: ({ decision }) => reply(decision),
});

/** An answer with all kinds of parts. */
export const rich: readonly ScriptStep[] = [
  { type: 'step-start', model: 'm1' },
  { type: 'reasoning', text: 'I sho' },
  { type: 'reasoning', text: 'uld read' },
  ...words('Let ', 'me ', 'see.'),
  { type: 'message' },
  { type: 'tool-call', call: 'c1', name: 'read', title: 'Read notes', input: { path: 'notes' } },
  { type: 'tool-result', call: 'c1', output: { lines: 3 } },
  { type: 'tool-call', call: 'c2', name: 'write', input: { path: 'notes' } },
  permission('c2', (decision) => [
    decision === 'yes'
      ? { type: 'tool-result', call: 'c2', output: 'written' }
      : { type: 'tool-result', call: 'c2', error: 'refused', denied: true },
  ]),
  { type: 'tool-call', call: 'c3', name: 'read', input: null },
  { type: 'tool-result', call: 'c3', error: 'no such file' },
  { type: 'step-finish', finish: 'tool-calls' },
  { type: 'step-start', model: 'm1' },
  ...words('All ', 'done ', '😀', '.'),
  { type: 'message' },
  { type: 'step-finish', finish: 'stop' },
];
