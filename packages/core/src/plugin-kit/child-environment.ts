import type { OptionReader } from './options.ts';
import { readOwnedFile } from './owned-file.ts';

/** The environment variables that every child process gets: those that programs need, none of which is secret. */
const INHERITED = ['HOME', 'LANG', 'LC_ALL', 'LOGNAME', 'PATH', 'SHELL', 'TERM', 'TMPDIR', 'TZ', 'USER'];

export interface ChildVariables {
  /** The names of variables of this process that the child gets too. */
  readonly env: readonly string[];
  /**
   * Variables whose values are the contents of files, by name. The line break at the end of a file is left out. Only the owner of a file
   * may have access to it.
   */
  readonly envFiles: Readonly<Record<string, string>>;
}

/** Reads the option `envFiles`: paths by the name of a variable. */
export const environmentFiles: OptionReader<ChildVariables['envFiles']> = (value, refuse) =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  Object.values(value).every((path) => typeof path === 'string' && path !== '' && !path.includes('\0'))
    ? (value as ChildVariables['envFiles'])
    : refuse('must be an object of paths by the name of a variable');

export interface ChildEnvironment {
  readonly variables: Readonly<Record<string, string>>;
  /** The values of the named variables. */
  readonly values: readonly string[];
  /** The values that are long enough to be secret and are not plain words. Redacting others would garble ordinary text. */
  readonly secrets: readonly string[];
}

const isSecret = (value: string): boolean => value.length >= 8 && !/^[A-Za-z]{8,15}$/.test(value);

/**
 * Returns the complete environment of a child process: HOME, PATH and the like, and the named variables. The child
 * inherits no other variable, because those of this process may be keys. A named variable that is not set is left out.
 * @throws Error a file cannot be read, or other users have access to it
 */
export const childEnvironment = async ({ env, envFiles }: ChildVariables): Promise<ChildEnvironment> => {
  const read = (names: readonly string[]): [string, string][] =>
    names.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    });
  const files = await Promise.all(
    Object.entries(envFiles).map(
      async ([name, path]): Promise<[string, string]> => [
        name,
        (await readOwnedFile(path, 'access', (message) => new Error(`${path} ${message}`))).replace(
          /\r?\n$/,
          '',
        ),
      ],
    ),
  );
  const named = [...read(env), ...files];
  const values = named.map(([, value]) => value);
  return {
    variables: Object.fromEntries([...read(INHERITED), ...named]),
    values,
    // a program often leaves out the line break at the end of its key
    secrets: [...new Set(values.flatMap((value) => [value, value.trim()]))].filter(isSecret),
  };
};
