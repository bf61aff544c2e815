/** The key under which the page of the login notes each login, for the other tabs. */
const LOGIN = 'worker-runtime.login';

/** Resolves after a login in another tab, and when the page is looked at again. */
export const seenAgain = (): Promise<void> =>
  new Promise((resolve) => {
    const heard = new AbortController();
    const { signal } = heard;
    const done = (): void => {
      heard.abort();
      resolve();
    };
    const look = (): void => {
      if (document.visibilityState === 'visible') done();
    };
    addEventListener('focus', look, { signal });
    document.addEventListener('visibilitychange', look, { signal });
    addEventListener('storage', ({ key }) => key === LOGIN && done(), { signal });
  });
