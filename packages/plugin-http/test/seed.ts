/**
 * The seed of the random tests: the same each time, so that a run says something of the change before it. The
 * environment may give another one, or ask for any by `random`.
 */
const given = process.env.WORKER_RUNTIME_FUZZ_SEED ?? '1';
export const SEED = given === 'random' ? Date.now() % 2 ** 31 : Number(given);
