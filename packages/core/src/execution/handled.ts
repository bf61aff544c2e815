/**
 * Marks a promise as handled, so that an engine which does not await it cannot crash the process with an unhandled
 * rejection. A caller that awaits the promise still gets the error.
 */
export const handled = <T>(promise: Promise<T>): Promise<T> => {
  promise.catch(() => {});
  return promise;
};
