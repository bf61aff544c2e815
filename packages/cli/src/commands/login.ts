import { hostname } from 'node:os';
import { requestOf } from '../backend-request.ts';
import { EXIT, Failure } from '../failure.ts';
import { keepToken, keptTokenFor } from '../kept-tokens.ts';
import type { Output } from '../output.ts';
import { printable } from '../printable.ts';

export interface LoginFlags {
  readonly url: string;
  readonly permission: string | undefined;
  readonly json: boolean;
}

const baseOf = (url: string): string => (url.endsWith('/') ? url.slice(0, -1) : url);

/** Returns the name of the API token: that of this machine, in the letters that a token may have. */
const tokenName = (): string =>
  hostname()
    .replace(/[^A-Za-z0-9._-]/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 64) || 'cli';

/** Gets an API token from a person who confirms a code in a browser, and keeps it for the commands of this user. @throws Failure */
export const login = async ({ url, permission, json }: LoginFlags, output: Output): Promise<void> => {
  const at = `${baseOf(url)}/v1/device-logins`;
  const begun = await requestOf(at, 'POST', { name: tokenName(), ...(permission && { permission }) });
  output.remark(
    printable(`open ${String(begun.url)} in a browser, and type the code ${String(begun.userCode)}`),
  );
  for (;;) {
    const { token, ...rest } = await requestOf(`${at}/token`, 'POST', { deviceCode: begun.deviceCode });
    if (typeof token !== 'string') continue;
    keepToken(url, token);
    return output.print(
      json ? JSON.stringify(rest) : printable(`logged in at ${url} until ${String(rest.expiresAt)}`),
    );
  }
};

/** Ends the API token of `login`, at the backend and on this machine. @throws Failure */
export const logout = async (
  { url, json }: Pick<LoginFlags, 'url' | 'json'>,
  output: Output,
): Promise<void> => {
  const token = URL.canParse(url) ? keptTokenFor(url) : undefined;
  if (token === undefined) throw new Failure(EXIT.failed, `you are not logged in at ${url}`);
  try {
    await requestOf(`${baseOf(url)}/v1/session`, 'DELETE', undefined, token);
  } catch (error) {
    // a backend that does not know the token any longer has nothing to end
    if (!(error instanceof Failure) || error.exitCode !== EXIT.refused) throw error;
  }
  keepToken(url, null);
  output.print(json ? JSON.stringify({ url }) : `logged out at ${url}`);
};
