/** Loaded into the server: on SIGUSR2 it throws its garbage away, so that what is left can be measured. */
process.on('SIGUSR2', () => globalThis.gc?.());
