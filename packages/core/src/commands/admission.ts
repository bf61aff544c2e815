import type { Command, Hooks } from '../contracts/hooks.ts';

type Asked<C> = C extends unknown ? Omit<C, 'settled'> : never;

/** Asks `admit` about a command, carries it out, and settles it either way, so that a quota can release what it held. */
export const settling = async <T>(
  admit: Hooks['admit'],
  command: Asked<Command>,
  carryOut: () => Promise<T>,
): Promise<T> => {
  if (admit.taps.length === 0) return carryOut();
  let settle: (how: 'done' | 'refused') => void = () => {};
  const settled = new Promise<'done' | 'refused'>((resolve) => {
    settle = resolve;
  });
  try {
    await admit.promise({ ...command, settled } as Command);
    const result = await carryOut();
    settle('done');
    return result;
  } catch (error) {
    settle('refused');
    throw error;
  }
};
