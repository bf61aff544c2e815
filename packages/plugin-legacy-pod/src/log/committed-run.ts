import { ownValue } from '@worker-runtime/core/plugin-kit';
import type { ConversationItem } from './conversation-item.ts';

/** One run of a conversation: its input, and the items that follow it. */
export interface CommittedRun {
  readonly input: { readonly role: 'user' | 'system'; readonly text: string } | null;
  readonly items: readonly ConversationItem[];
}

const CHILD_EVENTS: Readonly<Record<string, string>> = {
  turn_ended: 'A child finished a turn',
  errored: 'A child reported an error',
  shut_down: 'A child shut down',
};

/** Returns a public text for an event that a child sent to its parent. The text does not name the child. */
export const childEventText = (event: string): string =>
  ownValue(CHILD_EVENTS, event) ?? 'A child reported something';

type Input = CommittedRun['input'];

/** Finds the system item that began a run without a user. The item follows its `begin`. */
const triggerOf = (items: readonly ConversationItem[]): { readonly input: Input; readonly at: number } => {
  const at = items.findIndex(
    (one) => one.kind === 'system' && (one.item.kind === 'notification' || one.item.kind === 'pod_event'),
  );
  const found = items[at];
  if (found?.kind !== 'system') return { input: null, at: -1 };
  const { item } = found;
  const text =
    item.kind === 'notification' ? item.message : childEventText(item.kind === 'pod_event' ? item.event : '');
  return { input: { role: 'system', text }, at };
};

const runOf = (items: readonly ConversationItem[]): CommittedRun => {
  const [first] = items;
  const inputAt = items.findIndex(({ kind }) => kind === 'input');
  const input = items[inputAt];
  if (input?.kind === 'input')
    return {
      input: input.text === '' ? null : { role: 'user', text: input.text },
      items: items.filter(({ kind }, at) => at !== inputAt && kind !== 'begin'),
    };
  const isTriggered = first?.kind === 'begin' && first.trigger !== 'user_send';
  const trigger = isTriggered ? triggerOf(items) : { input: null, at: -1 };
  return {
    input: trigger.input,
    items: items.filter(({ kind }, at) => at !== trigger.at && kind !== 'begin'),
  };
};

const groupsOf = (items: readonly ConversationItem[]): readonly (readonly ConversationItem[])[] => {
  const groups: ConversationItem[][] = [];
  let hasInput = false;
  for (const item of items) {
    const isNew = item.kind === 'begin' || (item.kind === 'input' && (hasInput || groups.length === 0));
    if (isNew || groups.length === 0) {
      groups.push([]);
      hasInput = false;
    }
    if (item.kind === 'input') hasInput = true;
    groups.at(-1)?.push(item);
  }
  return groups;
};

/**
 * Splits a conversation into its runs. Items before the first beginning form a run without an input: they are the rest
 * or the end of a run that began earlier.
 */
export const splitRuns = (items: readonly ConversationItem[]): readonly CommittedRun[] =>
  groupsOf(items).map(runOf);

/** Finds the run with this input, the runs before it, and the items after it. Returns null if no run has the input. */
export const findRun = (
  items: readonly ConversationItem[],
  input: NonNullable<Input>,
): {
  readonly before: readonly CommittedRun[];
  readonly run: CommittedRun;
  readonly after: readonly ConversationItem[];
} | null => {
  const groups = groupsOf(items);
  const runs = groups.map(runOf);
  const at = runs.findIndex((run) => run.input?.role === input.role && run.input.text === input.text);
  const run = runs[at];
  return run ? { before: runs.slice(0, at), run, after: groups.slice(at + 1).flat() } : null;
};
