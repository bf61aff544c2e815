/**
 * The seed of a random test: the same each time, so that a run says something of the change before it. `random` in
 * the environment draws one, a number repeats it.
 */
export const seedFrom = (given: string | undefined): number =>
  given === 'random' ? Math.floor(Math.random() * 1_000_000) : Number(given ?? 1);

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export const randomFrom = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};
