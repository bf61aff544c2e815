import { type LoginClient, loginClient } from '@worker-runtime/client/login';
import { clientFailure } from './client-failure.ts';
import { usageError } from './failure.ts';
import { fetchThroughRestart } from './through-restart.ts';

/** Calls the logins of a backend. @throws Failure the address is not valid, or the backend does not answer, or refuses */
export const callLogins = async <T>(
  { url, token }: { readonly url: string; readonly token?: string },
  act: (logins: LoginClient) => Promise<T>,
): Promise<T> => {
  if (!URL.canParse(url) || !/^https?:\/\//.test(url))
    throw usageError(`--url must be an address such as https://agents.example, not "${url}"`);
  try {
    return await act(loginClient({ url, fetch: fetchThroughRestart, ...(token !== undefined && { token }) }));
  } catch (error) {
    throw clientFailure(error, url);
  }
};
