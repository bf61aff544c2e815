/** Resolves with the promise, or with `quiet` after a time. The promise stays pending then, and a caller can wait for it again. */
export const orQuiet = async <T>(next: Promise<T>, delayMs: number): Promise<T | 'quiet'> => {
  let timer: NodeJS.Timeout | undefined;
  const quiet = new Promise<'quiet'>((resolve) => {
    timer = setTimeout(resolve, delayMs, 'quiet');
  });
  try {
    return await Promise.race([next, quiet]);
  } finally {
    clearTimeout(timer);
  }
};
