/**
 * Returns the seed of a random test. It is the same each time, so that a failure points to the last change. In the
 * environment variable, `random` draws a seed, and a number repeats a run.
 */
export const seedFrom = (given: string | undefined): number =>
  given === 'random' ? Math.floor(Math.random() * 1_000_000) : Number(given ?? 1);

/** Returns a generator of numbers from 0 to 1 that the seed determines (mulberry32). */
export const randomFrom = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};
