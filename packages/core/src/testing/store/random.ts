/** Whole numbers from a seed: the same seed gives the same test, on every machine. */
export interface Random {
  /** From 0 to `below` - 1. */
  below(below: number): number;
}

const MODULUS = 2 ** 31 - 1;

/** Lehmer's generator with the constants of C++'s `minstd_rand`: small, and even enough to vary tests. */
export const random = (seed: number): Random => {
  let state = (seed % (MODULUS - 1)) + 1;
  return {
    below(below) {
      state = (state * 48_271) % MODULUS;
      return state % below;
    },
  };
};
