import { FILES_AT_ONCE, fileHeaders, Reads } from '@worker-runtime/core/plugin-kit';
import { Query } from '../wire/query.ts';
import { pathParameter, type Routes } from './context.ts';

/** Returns the media type of a body, without its parameters. */
const mediaTypeOf = (contentType: string | undefined): string =>
  (contentType ?? '').split(';', 1)[0]?.trim() ?? '';

/** Adds the routes of the files of a Worker, which are addressed by the digest of their bytes. */
export const fileRoutes: Routes = (app) => {
  const reads = new Reads(FILES_AT_ONCE);
  // any type is a file here, JSON too
  const options = { permission: 'operate', query: ['name'], takesBytes: true, isFile: true } as const;
  app.post('/workers/:w/files', options, async (request, reply) => {
    const name = new Query(request).text('name');
    const file = await request.served.putFile(
      pathParameter(request, 'w'),
      (request.body as Buffer | undefined) ?? new Uint8Array(0),
      { mediaType: mediaTypeOf(request.headers['content-type']), ...(name !== undefined && { name }) },
    );
    return reply.send(file);
  });

  app.get('/workers/:w/files/:digest', { permission: 'observe' }, async (request, reply) => {
    const [workerId, digest] = [pathParameter(request, 'w'), pathParameter(request, 'digest')];
    const { bytes, mediaType } = await reads.run(() => request.served.getFile(workerId, digest));
    reply.headers(fileHeaders(mediaType));
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return reply.send(buffer);
  });
};
