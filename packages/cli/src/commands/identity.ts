import { Identity } from '@worker-runtime/registry';
import type { Output } from '../output.ts';

export interface IdentityFlags {
  readonly key: string;
  readonly issuer: string;
  readonly permission: readonly string[];
}

/** Prints the entry of a signing key for the file of issuers of a runtime. Creates the key file if there is none. */
export const printIdentity = async (
  { key, issuer, permission }: IdentityFlags,
  output: Output,
): Promise<void> => {
  const identity = await Identity.at(key, issuer);
  output.print(JSON.stringify([{ ...identity.entry, permission }], null, 2));
};
