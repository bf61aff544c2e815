/** Returns a random key. `crypto.randomUUID` is missing on pages that are served without TLS in a network. */
export const randomKey = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join(
    '',
  );
