import { RuntimeError } from '@worker-runtime/core';
import type { ServedRuntime } from '@worker-runtime/core/plugin-kit';
import type { MountHandler, MountPlace } from '../mount.ts';

const MEDIA_TYPE = 'application/vnd.worker-runtime.archive';

type Archives = ServedRuntime['archives'];

/** Ends with an error if the answer has to end, so that the client sees that it is not whole. */
async function* until(ending: AbortSignal, bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes) {
    ending.throwIfAborted();
    yield chunk;
  }
}

const streamOf = (bytes: AsyncGenerator<Uint8Array>): ReadableStream<Uint8Array<ArrayBuffer>> =>
  new ReadableStream(
    {
      async pull(controller) {
        const next = await bytes.next();
        if (next.done) controller.close();
        else controller.enqueue(new Uint8Array(next.value));
      },
      async cancel() {
        await bytes.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );

const numberIn = (query: URLSearchParams, name: string): number | undefined => {
  const text = query.get(name);
  if (text === null) return undefined;
  if (/^\d{1,16}$/.test(text)) return Number(text);
  throw new RuntimeError('INVALID_REQUEST', `${name} must be a whole number`);
};

const labelsIn = (query: URLSearchParams): Readonly<Record<string, string>> =>
  Object.fromEntries(
    query.getAll('label').map((text) => {
      const at = text.indexOf('=');
      if (at < 1) throw new RuntimeError('INVALID_REQUEST', 'label must be <key>=<value>');
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );

const list = async (archives: Archives, query: URLSearchParams): Promise<Response> => {
  const stoppedForMs = numberIn(query, 'stoppedForMs');
  const leastBytes = numberIn(query, 'leastBytes');
  const after = query.get('after');
  return Response.json(
    await archives.list({
      labels: labelsIn(query),
      ...(stoppedForMs !== undefined && { stoppedForMs }),
      ...(leastBytes !== undefined && { leastBytes }),
      ...(after !== null && { after }),
    }),
  );
};

const remove = async (
  archives: Archives,
  workerId: string,
  query: URLSearchParams,
  actor: string | null,
): Promise<Response> => {
  const seq = numberIn(query, 'seq');
  const log = query.get('log');
  if (seq === undefined || log === null)
    throw new RuntimeError('INVALID_REQUEST', 'log and seq are required: the end of the archive');
  await archives.remove(workerId, { log, seq }, actor === null ? {} : { actor });
  return new Response(null, { status: 204 });
};

const listHistory = async (archives: Archives, query: URLSearchParams): Promise<Response> => {
  const [olderThanMs, beforeSeq, leastBytes] = ['olderThanMs', 'beforeSeq', 'leastBytes'].map((name) =>
    numberIn(query, name),
  );
  const [workerId, after] = [query.get('worker'), query.get('after')];
  return Response.json(
    await archives.listHistory({
      labels: labelsIn(query),
      ...(olderThanMs !== undefined && { olderThanMs }),
      ...(beforeSeq !== undefined && { beforeSeq }),
      ...(leastBytes !== undefined && { leastBytes }),
      ...(workerId !== null && { workerId }),
      ...(after !== null && { after }),
    }),
  );
};

const throughIn = (query: URLSearchParams): number => {
  const through = numberIn(query, 'through');
  if (through === undefined)
    throw new RuntimeError('INVALID_REQUEST', 'through is required: the number of the last event that goes');
  return through;
};

const removeHistory = async (
  archives: Archives,
  workerId: string,
  query: URLSearchParams,
  actor: string | null,
): Promise<Response> => {
  const throughSeq = throughIn(query);
  const [log, archive] = [query.get('log'), query.get('archive')];
  if (log === null || archive === null)
    throw new RuntimeError('INVALID_REQUEST', 'log and archive are required: what the events are in now');
  const part = { log, throughSeq, archive };
  await archives.removeHistory(workerId, part, actor === null ? {} : { actor });
  return new Response(null, { status: 204 });
};

/** Answers a request to an archive. The runtime checks the scope of the caller. */
export const answerArchives: MountHandler = async (
  request,
  { served: { archives }, path, ending, caller },
) => {
  const query = new URL(request.url).searchParams;
  const { method } = request;
  const [, collection, id, part, ...more] = path.split('/');
  if (more.length > 0 || (part !== undefined && part !== 'history'))
    throw new RuntimeError('ROUTE_NOT_FOUND');
  const bytes = (archive: AsyncIterable<Uint8Array>): Response =>
    new Response(streamOf(until(ending, archive)), { headers: { 'content-type': MEDIA_TYPE } });
  if (collection === undefined && method === 'GET') return bytes(archives.open());
  if (collection === 'history' && id === undefined) {
    if (method === 'GET') return listHistory(archives, query);
  } else if (collection === 'workers' && id === undefined) {
    if (method === 'GET') return list(archives, query);
    if (method === 'POST')
      return Response.json(await archives.put(new Uint8Array(await request.arrayBuffer())), { status: 201 });
  } else if (collection === 'workers' && id !== undefined) {
    if (method === 'GET')
      return bytes(part === undefined ? archives.open(id) : archives.openHistory(id, throughIn(query)));
    if (method === 'DELETE')
      return (part === undefined ? remove : removeHistory)(archives, id, query, caller.name);
  } else if (collection !== undefined) throw new RuntimeError('ROUTE_NOT_FOUND');
  throw new RuntimeError('METHOD_NOT_ALLOWED');
};

/**
 * Mounts the archives of runtimes at `…/x/archives`: GET makes one of the whole runtime. Below `/workers`, GET lists the stopped Workers,
 * POST adds the Worker of an archive, and GET and DELETE of `/{worker}` copy and remove a stopped one. GET of `/history` lists history that can
 * go, and GET and DELETE of `/workers/{worker}/history` copy and remove it.
 */
export const mountArchives = (place: MountPlace): void => place.mount('archives', 'admin', answerArchives);
