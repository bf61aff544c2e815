/** Loaded into the server. Collects garbage on SIGUSR2, so that the memory in use can be measured. */
process.on('SIGUSR2', () => globalThis.gc?.());
