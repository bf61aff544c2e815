import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { payloadTooLarge, RuntimeError } from '../contracts/runtime-error.ts';
import { isArchiveHead } from './archive-head.ts';
import type { ArchiveHead, ArchiveItem } from './archive-item.ts';
import { ByteReader } from './byte-reader.ts';

/*
 * An archive is the text `MAGIC`, one gzip stream, and the SHA-256 of all bytes before it. The stream is a sequence of items: the head
 * as one line of JSON, whose member `body` is the length of the body, and the body.
 */

const MAGIC_NAME = 'worker-runtime archive ';
const VERSION = '1';
const MAGIC = Buffer.from(`${MAGIC_NAME}${VERSION}\n`);
const DIGEST_BYTES = 32;
/** The shortest archive has an empty gzip stream. */
const LEAST_BYTES = MAGIC.length + 20 + DIGEST_BYTES;
const HEAD_BYTES = 16_384;
const BODY_BYTES = 1_073_741_824;

export const corrupt = (why: string, cause?: unknown): RuntimeError =>
  new RuntimeError('ARCHIVE_CORRUPT', `The archive is not whole: ${why}`, { cause });

async function* framesOf(items: AsyncIterable<ArchiveItem>): AsyncGenerator<Uint8Array> {
  for await (const { body, ...head } of items) {
    yield Buffer.from(`${JSON.stringify({ ...head, body: body.length })}\n`);
    if (body.length > 0) yield body;
  }
}

/** Encodes items as the bytes of an archive, step by step, as they are taken. */
export async function* encodeArchive(items: AsyncIterable<ArchiveItem>): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256').update(MAGIC);
  yield MAGIC;
  const gzip = createGzip();
  const writing = pipeline(Readable.from(framesOf(items), { objectMode: true, highWaterMark: 1 }), gzip);
  // the loop below throws the same error
  writing.catch(() => {});
  for await (const chunk of gzip as AsyncIterable<Buffer>) {
    hash.update(chunk);
    yield chunk;
  }
  await writing;
  yield hash.digest();
}

const checkMagic = (found: Buffer): void => {
  if (found.equals(MAGIC)) return;
  if (!found.toString('latin1').startsWith(MAGIC_NAME)) throw corrupt('it does not begin as an archive does');
  throw new RuntimeError(
    'VERSION_UNSUPPORTED',
    `The archive has another version than ${VERSION}: use the release that made it`,
    { details: { supported: [Number(VERSION)] } },
  );
};

/**
 * Yields the compressed bytes of an archive, and returns its digest. Throws at the end if the digest does not fit, so nothing counts that
 * came before. @throws ARCHIVE_CORRUPT · VERSION_UNSUPPORTED
 */
async function* checkedBytes(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, string, void> {
  const hash = createHash('sha256');
  let kept = Buffer.alloc(0);
  let total = 0;
  for await (const chunk of chunks) {
    const before = total;
    total += chunk.length;
    kept = Buffer.concat([kept, chunk]);
    if (before < MAGIC.length) {
      if (total < MAGIC.length) continue;
      checkMagic(kept.subarray(0, MAGIC.length));
      hash.update(MAGIC);
      kept = kept.subarray(MAGIC.length);
    }
    const length = kept.length - DIGEST_BYTES;
    if (length <= 0) continue;
    const bytes = kept.subarray(0, length);
    hash.update(bytes);
    yield bytes;
    kept = kept.subarray(length);
  }
  if (total < LEAST_BYTES) throw corrupt('it is too short');
  const digest = hash.digest();
  if (!digest.equals(kept)) throw corrupt('its digest does not fit to its content');
  return digest.toString('hex');
}

type EncodedHead = ArchiveHead & { readonly body: number };

const decodeHead = (line: Uint8Array, bodyBytes: number): EncodedHead => {
  let head: EncodedHead;
  try {
    head = JSON.parse(Buffer.from(line).toString()) as EncodedHead;
    if (!isArchiveHead({ ...head })) throw new Error('a member is missing or has another form');
  } catch (cause) {
    throw corrupt('an item cannot be read', cause);
  }
  const { body } = head;
  if (!Number.isSafeInteger(body) || body < 0) throw corrupt('an item is not valid');
  if (body > bodyBytes) throw payloadTooLarge('archiveItemBytes', bodyBytes);
  return head;
};

async function* itemsIn(reader: ByteReader, bodyBytes: number): AsyncGenerator<ArchiveItem> {
  for (;;) {
    const line = await reader.line(HEAD_BYTES);
    if (line === null) throw corrupt('it has no end');
    const head = decodeHead(line, bodyBytes);
    const body = await reader.take(head.body);
    if (body === null) throw corrupt('an item is cut');
    yield { ...head, body };
    if (head.kind !== 'end') continue;
    if ((await reader.take(1)) !== null) throw corrupt('something follows its end');
    return;
  }
}

/**
 * Decodes the bytes of an archive, step by step, and returns its digest. The last items may come before the digest was compared: they count
 * once the iteration has ended. `bodyBytes` is the largest body of an item, which is held in memory.
 * @throws ARCHIVE_CORRUPT · VERSION_UNSUPPORTED · PAYLOAD_TOO_LARGE
 */
export async function* decodeArchive(
  chunks: AsyncIterable<Uint8Array>,
  bodyBytes = BODY_BYTES,
): AsyncGenerator<ArchiveItem, string, void> {
  const gunzip = createGunzip();
  let digest = '';
  const checked = async function* (): AsyncGenerator<Uint8Array> {
    digest = yield* checkedBytes(chunks);
  };
  const reading = pipeline(Readable.from(checked(), { objectMode: true, highWaterMark: 1 }), gunzip);
  // the loop below throws the same error
  reading.catch(() => {});
  try {
    yield* itemsIn(new ByteReader(gunzip as AsyncIterable<Buffer>), bodyBytes);
    await reading;
    return digest;
  } catch (error) {
    // errors of zlib have codes of their own
    const code = (error as { readonly code?: unknown }).code;
    throw typeof code === 'string' && code.startsWith('Z_')
      ? corrupt('it cannot be decompressed', error)
      : error;
  } finally {
    gunzip.destroy();
  }
}
