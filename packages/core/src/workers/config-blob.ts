/** Returns the name of the blob that holds a config, by the digest of the config. */
export const configBlobOf = (digest: string): string => digest.replace('sha256-', 'config-');
