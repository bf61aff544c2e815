/**
 * The seed of the random tests. It is fixed, so that a failure is caused by the latest change. The environment variable
 * may set another one, or `random`.
 */
const given = process.env.WORKER_RUNTIME_FUZZ_SEED ?? '1';
export const SEED = given === 'random' ? Date.now() % 2 ** 31 : Number(given);
