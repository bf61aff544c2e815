import type { Command, Hooks } from './contracts/hooks.ts';

type Unsettled<C> = C extends unknown ? Omit<C, 'settled'> : never;

/**
 * Asks the `admit` hook about a command, executes it, and settles it in either case, so that a plugin can release what
 * it reserved for the command.
 * @throws as the taps of `admit` · as `execute`
 */
export const admitted = <T>(
  admit: Hooks['admit'],
  command: Unsettled<Command>,
  execute: () => Promise<T>,
): Promise<T> => (admit.taps.length === 0 ? execute() : admittedByTaps(admit, command, execute));

const admittedByTaps = async <T>(
  admit: Hooks['admit'],
  command: Unsettled<Command>,
  execute: () => Promise<T>,
): Promise<T> => {
  let settle: (outcome: 'done' | 'refused') => void = () => {};
  const settled = new Promise<'done' | 'refused'>((resolve) => {
    settle = resolve;
  });
  try {
    await admit.promise({ ...command, settled } as Command);
    const result = await execute();
    settle('done');
    return result;
  } catch (error) {
    settle('refused');
    throw error;
  }
};
