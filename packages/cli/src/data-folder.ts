import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** Returns the default directory for the files of a runtime with this name. */
export const dataFolder = (
  name: string,
  environment: Readonly<Record<string, string | undefined>>,
): string => {
  const home = environment.XDG_DATA_HOME;
  const base = home !== undefined && isAbsolute(home) ? home : join(homedir(), '.local', 'share');
  return join(base, 'worker-runtime', name);
};
