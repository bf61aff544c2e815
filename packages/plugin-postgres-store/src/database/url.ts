const isLocal = (host: string): boolean =>
  /^(localhost|127(\.\d+){3}|\[?::1\]?)$/i.test(host) || /^(\/|%2f)/i.test(host);

/**
 * Returns what is wrong with the URL of a database; null if it can be used. A URL of another machine must say if its
 * connections use TLS, because the driver would use none. The text never contains the URL, which may have a password.
 */
export const urlProblem = (text: string): string | null => {
  if (!/^postgres(ql)?:\/\/\S+$/.test(text)) return 'must be one URL that begins with postgres://';
  let url: URL;
  try {
    // the driver accepts a URL without a host, which may be a parameter
    url = new URL(text.replace('@/', '@localhost/'));
  } catch {
    return 'is not a valid URL; characters such as "@", "/" and "#" in a password must be percent-encoded';
  }
  const host = url.searchParams.get('host') ?? (url.hostname || process.env.PGHOST || 'localhost');
  return isLocal(host) || url.searchParams.has('sslmode')
    ? null
    : 'must say if connections use TLS: add sslmode=verify-full, or sslmode=disable on a network that you trust';
};

/** The option that has the URL of a database: the URL itself, or a file. */
export type UrlSource = { readonly url: string } | { readonly file: string };
