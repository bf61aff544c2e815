import { EXIT, Failure } from '../failure.ts';
import { readLocalAccess } from '../local-access.ts';
import { callLogins } from '../login-call.ts';
import type { Output } from '../output.ts';

export interface LinkFlags {
  readonly dataDir: string | undefined;
  readonly as: string | undefined;
  readonly groups: readonly string[] | undefined;
  readonly json: boolean;
}

/** Asks the backend on this machine for a one-time link, and prints it. @throws Failure none runs, or it refuses */
export const printLink = async ({ dataDir, as, groups, json }: LinkFlags, output: Output): Promise<void> => {
  const access = readLocalAccess(dataDir);
  if (access === null)
    throw new Failure(
      EXIT.notReachable,
      'no backend runs with these files; start one with: worker-runtime backend',
    );
  const person = { ...(as !== undefined && { name: as }), ...(groups !== undefined && { groups }) };
  const link = await callLogins(access, (logins) => logins.link(person));
  output.print(json ? JSON.stringify(link) : link.url);
};
