import { hostname } from 'node:os';
import { EXIT, Failure } from '../failure.ts';
import { keepToken, keptTokenFor } from '../kept-tokens.ts';
import { callLogins } from '../login-call.ts';
import type { Output } from '../output.ts';
import { printable } from '../printable.ts';

export interface LoginFlags {
  readonly url: string;
  readonly permission: string | undefined;
  readonly json: boolean;
}

/** Returns the name of the API token: that of this machine, in the letters that a token may have. */
const tokenName = (): string =>
  hostname()
    .replace(/[^A-Za-z0-9._-]/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 64) || 'cli';

/** The codes of a server without logins: it has no such path, or a token is needed there. */
const WITHOUT_LOGINS: ReadonlySet<string> = new Set(['ROUTE_NOT_FOUND', 'UNAUTHENTICATED']);

/** Says that a server is not a backend if that is the reason of a failure. */
const explained = (error: unknown, url: string): unknown =>
  error instanceof Failure && WITHOUT_LOGINS.has(error.problem.code)
    ? new Failure(
        EXIT.refused,
        `the server at ${url} has no logins, because it is not a backend; if it needs a token, set WORKER_RUNTIME_TOKEN`,
        { cause: error.cause },
      )
    : error;

/** Gets an API token from a person who confirms a code in a browser, and keeps it for the commands of this user. @throws Failure */
export const login = async ({ url, permission, json }: LoginFlags, output: Output): Promise<void> => {
  const name = tokenName();
  const begun = await callLogins({ url }, (logins) =>
    logins.begin({ name, ...(permission !== undefined && { permission }) }),
  ).catch((error: unknown) => {
    throw explained(error, url);
  });
  output.remark(printable(`open ${begun.url} in a browser, and type the code ${begun.userCode}`));
  for (;;) {
    const issued = await callLogins({ url }, (logins) => logins.finish(begun.deviceCode));
    if (issued === null) continue;
    const { token, ...rest } = issued;
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
    await callLogins({ url, token }, (logins) => logins.end());
  } catch (error) {
    // a backend that does not know the token any longer has nothing to end; after any other error the token may still be valid
    if (!(error instanceof Failure) || error.problem.code !== 'UNAUTHENTICATED') throw error;
  }
  keepToken(url, null);
  output.print(json ? JSON.stringify({ url }) : `logged out at ${url}`);
};
