import type { Said } from './said.ts';

/** One run of a conversation: what it was asked, and what came of it. */
export interface SaidRun {
  readonly input: { readonly role: 'user' | 'system'; readonly text: string } | null;
  readonly said: readonly Said[];
}

const CHILD_EVENTS: Readonly<Record<string, string>> = {
  turn_ended: 'A child finished a turn',
  errored: 'A child reported an error',
  shut_down: 'A child shut down',
};

/** What a child told its parent, without its name. */
export const childEvent = (event: string): string => CHILD_EVENTS[event] ?? 'A child reported something';

type Input = SaidRun['input'];

/** The item that a run without a person began with: it stands behind its `begin`, among the first. */
const triggerOf = (said: readonly Said[]): { readonly input: Input; readonly at: number } => {
  const at = said.findIndex(
    (one) => one.what === 'system' && (one.item.kind === 'notification' || one.item.kind === 'pod_event'),
  );
  const found = said[at];
  if (found?.what !== 'system') return { input: null, at: -1 };
  const { item } = found;
  const text =
    item.kind === 'notification' ? item.message : childEvent(item.kind === 'pod_event' ? item.event : '');
  return { input: { role: 'system', text }, at };
};

const runOf = (said: readonly Said[]): SaidRun => {
  const [first] = said;
  const inputAt = said.findIndex((one) => one.what === 'input');
  const input = said[inputAt];
  if (input?.what === 'input')
    return {
      input: input.text === '' ? null : { role: 'user', text: input.text },
      said: said.filter((one, at) => at !== inputAt && one.what !== 'begin'),
    };
  const isBegun = first?.what === 'begin' && first.trigger !== 'user_send';
  const trigger = isBegun ? triggerOf(said) : { input: null, at: -1 };
  return {
    input: trigger.input,
    said: said.filter((one, at) => at !== trigger.at && one.what !== 'begin'),
  };
};

const groupsOf = (said: readonly Said[]): readonly (readonly Said[])[] => {
  const groups: Said[][] = [];
  let hasInput = false;
  for (const one of said) {
    const isNew = one.what === 'begin' || (one.what === 'input' && (hasInput || groups.length === 0));
    if (isNew || groups.length === 0) {
      groups.push([]);
      hasInput = false;
    }
    if (one.what === 'input') hasInput = true;
    groups.at(-1)?.push(one);
  }
  return groups;
};

/**
 * The runs of a conversation. What stands before the first beginning goes on with a run that began earlier: its rest,
 * or what closed it.
 */
export const splitRuns = (said: readonly Said[]): readonly SaidRun[] => groupsOf(said).map(runOf);

/** The run that was asked this, what stands before it, and what after. Null where there is none. */
export const findRun = (
  said: readonly Said[],
  asked: NonNullable<SaidRun['input']>,
): {
  readonly before: readonly SaidRun[];
  readonly run: SaidRun;
  readonly after: readonly Said[];
} | null => {
  const groups = groupsOf(said);
  const runs = groups.map(runOf);
  const at = runs.findIndex(({ input }) => input?.role === asked.role && input.text === asked.text);
  const run = runs[at];
  return run ? { before: runs.slice(0, at), run, after: groups.slice(at + 1).flat() } : null;
};
