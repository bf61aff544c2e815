import { unreachable } from './remote-error.ts';

const SHA_256 = /^sha256-[0-9a-f]{64}$/;

/**
 * Checks that bytes have the digest that names them, so that a file which something on its way has cut or changed counts as no answer.
 * A page without HTTPS has no function for that, and a digest of another kind is not known: neither is checked.
 * @throws RUNTIME_UNREACHABLE they have another one
 */
export const assertDigest = async (bytes: Uint8Array, digest: string): Promise<void> => {
  const { subtle } = crypto as { readonly subtle?: typeof crypto.subtle };
  if (subtle === undefined || !SHA_256.test(digest)) return;
  const hash = new Uint8Array(await subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>));
  const found = Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
  if (digest !== `sha256-${found}`) throw unreachable('The bytes of the file were changed on their way');
};
