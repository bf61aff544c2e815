import { serverUrl } from '../live/backend.ts';

/*
 * Requests as code to paste, with the address of this server. Behind a login, the code reads an API token of the person from
 * the variable WORKER_RUNTIME_TOKEN.
 */

const DEFAULT_URL = 'http://127.0.0.1:8787';

const address = serverUrl.replace(/\/$/, '');

const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;

/** Returns a POST request to a path of the API, such as `v1/workers`. */
export const asCurl = (path: string, body: unknown, hasLogin: boolean): string => {
  const token = hasLogin ? ' \\\n  -H "Authorization: Bearer $WORKER_RUNTIME_TOKEN"' : '';
  return `curl -sS ${new URL(path, serverUrl)}${token} \\\n  --json ${quoted(JSON.stringify(body))}`;
};

/** Returns a command of the CLI, which finds the token by itself. */
export const asCommand = (words: string): string =>
  `npx @worker-runtime/cli ${words}${address === DEFAULT_URL ? '' : ` --url ${address}`}`;

/** Returns a program with these statements, which call `runtime`. */
export const asTypeScript = (
  runtimeId: string | null,
  statements: readonly string[],
  hasLogin: boolean,
): string => {
  const options = [
    `url: '${address}'`,
    ...(runtimeId === null ? [] : [`runtime: '${runtimeId}'`]),
    ...(hasLogin ? ['token: process.env.WORKER_RUNTIME_TOKEN'] : []),
  ];
  const one = `{ ${options.join(', ')} }`;
  const given = one.length > 60 ? `{\n  ${options.join(',\n  ')},\n}` : one;
  return `import { runtimeClient } from '@worker-runtime/client';\n\nconst runtime = runtimeClient(${given});\n${statements.join('\n')}`;
};
