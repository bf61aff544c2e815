/** A generator of pseudo-random integers. The same seed gives the same numbers on every machine. */
export interface Random {
  /** Returns the next integer from 0 to `below` - 1. */
  below(below: number): number;
}

const MODULUS = 2 ** 31 - 1;

/** Makes a Lehmer generator with the constants of C++'s `minstd_rand`. Its numbers are uniform enough to vary tests. */
export const random = (seed: number): Random => {
  let state = (seed % (MODULUS - 1)) + 1;
  return {
    below(below) {
      state = (state * 48_271) % MODULUS;
      return state % below;
    },
  };
};
