/**
 * Runs a job with a signal that aborts when a time has passed, or when another signal aborts. `AbortSignal.any` and
 * `AbortSignal.timeout` together do not: Node 20 may collect the signal of the time before it fires.
 */
export const abortAfter = async <T>(
  timeMs: number,
  signal: AbortSignal,
  job: (cut: AbortSignal) => Promise<T>,
): Promise<T> => {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  const timer = setTimeout(abort, timeMs);
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await job(controller.signal);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
};
