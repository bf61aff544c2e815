import { hash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { RuntimeError } from '@worker-runtime/core';
import type { HttpReply } from '../message/http-reply.ts';
import type { HttpRequest } from '../message/http-request.ts';
import type { Routes } from './context.ts';

/** One file of the console, in every encoding in which it is available. */
interface PageFile {
  readonly type: string;
  readonly etag: string;
  readonly bodies: Readonly<Partial<Record<Encoding, Buffer>>> & { readonly identity: Buffer };
}

/** The files of a console by their names. */
export type ConsoleFiles = ReadonlyMap<string, PageFile>;

type Encoding = 'br' | 'gzip' | 'identity';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.woff2': 'font/woff2',
};

/** The suffixes of the compressed copies, the smallest copy first. */
const COPIES = [
  ['br', '.br'],
  ['gzip', '.gz'],
] as const;

const INDEX = 'index.html';

/** The form of a name that carries a digest of the content, so that the file never changes. */
const DIGESTED = /-[\w-]{8}\.[a-z0-9]+$/;

/**
 * Allows the files of this server and nothing else: no inline script or style, no other origin, and no text that becomes
 * markup (Trusted Types).
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "font-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

/**
 * Reads the built console into memory: a request finds a file by its exact name, and never touches the disk.
 * @throws INVALID_REQUEST the folder cannot be read, or has no `index.html`
 */
export const readConsole = async (folder: string): Promise<ConsoleFiles> => {
  const refuse = (cause?: unknown): never => {
    throw new RuntimeError(
      'INVALID_REQUEST',
      'The option http.console must be a folder with a built console; build it with "npm run build"',
      { details: { option: 'console' }, cause },
    );
  };
  const names = await readdir(folder).catch(refuse);
  if (!names.includes(INDEX)) refuse();
  const files = new Map<string, PageFile>();
  for (const name of names) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    const identity = await readFile(join(folder, name)).catch(refuse);
    const copies = await Promise.all(
      COPIES.filter(([, suffix]) => names.includes(name + suffix)).map(
        async ([encoding, suffix]) =>
          [encoding, await readFile(join(folder, name + suffix)).catch(refuse)] as const,
      ),
    );
    const etag = `"${hash('sha256', identity, 'base64url').slice(0, 22)}"`;
    files.set(name, { type, etag, bodies: { ...Object.fromEntries(copies), identity } });
  }
  return files;
};

/** Returns the encodings that an `Accept-Encoding` header takes, without those of weight 0. */
const acceptedEncodings = (header: string | string[] | undefined): ReadonlySet<string> =>
  new Set(
    String(header ?? '')
      .toLowerCase()
      .split(',')
      .filter((item) => !/;\s*q=0(\.0*)?\s*$/.test(item))
      .map((item) => item.split(';', 1)[0]?.trim() ?? ''),
  );

/** True if the client holds the file. A proxy that compresses makes the tag a weak one, and a client may send several. */
const isHeld = (header: string | undefined, etag: string): boolean =>
  header?.split(',').some((tag) => ['*', etag].includes(tag.trim().replace(/^W\//, ''))) ?? false;

const send = (name: string, file: PageFile, request: HttpRequest, reply: HttpReply): HttpReply => {
  const { type, etag, bodies } = file;
  const accepted = acceptedEncodings(request.headers['accept-encoding']);
  const encoding = COPIES.map(([known]) => known).find(
    (known) => accepted.has(known) && bodies[known] !== undefined,
  );
  reply.append('vary', 'accept-encoding').headers({
    'cache-control': DIGESTED.test(name) ? 'public, max-age=31536000, immutable' : 'no-cache',
    etag,
    'referrer-policy': 'no-referrer',
    'cross-origin-resource-policy': 'same-origin',
    ...(name === INDEX && {
      'content-security-policy': POLICY,
      'cross-origin-opener-policy': 'same-origin',
    }),
  });
  if (isHeld(request.headers['if-none-match'], etag)) return reply.code(304).send();
  if (encoding !== undefined) reply.header('content-encoding', encoding);
  return reply.type(type).send(bodies[encoding ?? 'identity']);
};

/**
 * Adds a route for each file of the console, and `/` for its page. The files are in the root of the server, so none of
 * their paths begins with `/v1/`. The pages themselves use the fragment of the address (docs/decisions/0040).
 */
export const consoleRoutes =
  (files: ConsoleFiles): Routes =>
  (app) => {
    const options = { permission: 'public', isAlwaysServed: true, isUndescribed: true } as const;
    for (const [name, file] of files)
      app.get(name === INDEX ? '/' : `/${name}`, options, async (request, reply) =>
        send(name, file, request, reply),
      );
  };
