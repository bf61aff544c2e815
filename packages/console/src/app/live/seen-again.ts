/** Resolves when the page is looked at again: the person may have logged in elsewhere. */
export const seenAgain = (): Promise<void> =>
  new Promise((resolve) => {
    const heard = new AbortController();
    const look = (): void => {
      if (document.visibilityState !== 'visible') return;
      heard.abort();
      resolve();
    };
    addEventListener('focus', look, { signal: heard.signal });
    document.addEventListener('visibilitychange', look, { signal: heard.signal });
  });
