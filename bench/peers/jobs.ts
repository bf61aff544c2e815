/** The number of clients that send jobs at the same time. Each waits for the result of its job before it sends the next one. */
export const CLIENTS = 64;

const INPUT_BYTES = 200;
const REPEATED = 5;

/** Returns an input of 200 bytes. No other job has the same. */
export const inputOf = (client: number, job: number): string =>
  `client ${client} job ${job} `.padEnd(INPUT_BYTES, 'a word and ');

/** The work of a job: it returns an output of 1,000 bytes, which follows from the input. */
export const outputOf = (input: string): string => input.repeat(REPEATED);
