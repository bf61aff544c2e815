import { RuntimeError } from '@worker-runtime/core';
import { methodNotAllowed, type ServedRuntime } from '@worker-runtime/core/plugin-kit';
import type { MountHandler, MountPlace } from '../mount.ts';
import { assertKnown, Query } from '../wire/query.ts';

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

/** Reads the query of a request to a mounted handler. @throws INVALID_REQUEST a name is not in `known`, as for other routes */
const queryOf = ({ url }: Request, ...known: readonly string[]): Query => {
  const { searchParams } = new URL(url);
  const query = Object.fromEntries(
    [...searchParams.keys()].map((name) => {
      const [value = '', ...more] = searchParams.getAll(name);
      return [name, more.length === 0 ? value : [value, ...more]];
    }),
  );
  assertKnown(query, known);
  return new Query({ query });
};

const numberIn = (query: Query, name: string): number | undefined => {
  const text = query.text(name);
  if (text === undefined) return undefined;
  if (/^\d{1,16}$/.test(text)) return Number(text);
  throw new RuntimeError('INVALID_REQUEST', `${name} must be a whole number`);
};

const list = async (archives: Archives, request: Request): Promise<Response> => {
  const query = queryOf(request, 'label', 'stoppedForMs', 'leastBytes', 'after');
  const stoppedForMs = numberIn(query, 'stoppedForMs');
  const leastBytes = numberIn(query, 'leastBytes');
  const after = query.text('after');
  return Response.json(
    await archives.list({
      labels: query.pairs('label') ?? {},
      ...(stoppedForMs !== undefined && { stoppedForMs }),
      ...(leastBytes !== undefined && { leastBytes }),
      ...(after !== undefined && { after }),
    }),
  );
};

const remove = async (
  archives: Archives,
  workerId: string,
  request: Request,
  actor: string | null,
): Promise<Response> => {
  const query = queryOf(request, 'log', 'seq');
  const seq = numberIn(query, 'seq');
  const log = query.text('log');
  if (seq === undefined || log === undefined)
    throw new RuntimeError('INVALID_REQUEST', 'log and seq are required: the end of the archive');
  await archives.remove(workerId, { log, seq }, actor === null ? {} : { actor });
  return new Response(null, { status: 204 });
};

const listHistory = async (archives: Archives, request: Request): Promise<Response> => {
  const query = queryOf(request, 'label', 'olderThanMs', 'beforeSeq', 'leastBytes', 'worker', 'after');
  const [olderThanMs, beforeSeq, leastBytes] = ['olderThanMs', 'beforeSeq', 'leastBytes'].map((name) =>
    numberIn(query, name),
  );
  const [workerId, after] = [query.text('worker'), query.text('after')];
  return Response.json(
    await archives.listHistory({
      labels: query.pairs('label') ?? {},
      ...(olderThanMs !== undefined && { olderThanMs }),
      ...(beforeSeq !== undefined && { beforeSeq }),
      ...(leastBytes !== undefined && { leastBytes }),
      ...(workerId !== undefined && { workerId }),
      ...(after !== undefined && { after }),
    }),
  );
};

const throughIn = (query: Query): number => {
  const through = numberIn(query, 'through');
  if (through === undefined)
    throw new RuntimeError('INVALID_REQUEST', 'through is required: the number of the last event that goes');
  return through;
};

const removeHistory = async (
  archives: Archives,
  workerId: string,
  request: Request,
  actor: string | null,
): Promise<Response> => {
  const query = queryOf(request, 'log', 'through', 'archive');
  const throughSeq = throughIn(query);
  const [log, archive] = [query.text('log'), query.text('archive')];
  if (log === undefined || archive === undefined)
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
  const { method } = request;
  const [, collection, id, part, ...more] = path.split('/');
  if (more.length > 0 || (part !== undefined && part !== 'history'))
    throw new RuntimeError('ROUTE_NOT_FOUND');
  const bytes = (archive: AsyncIterable<Uint8Array>): Response =>
    new Response(streamOf(until(ending, archive)), { headers: { 'content-type': MEDIA_TYPE } });
  if (collection === undefined && method === 'GET') {
    queryOf(request);
    return bytes(archives.open());
  }
  if (collection === 'history' && id === undefined) {
    if (method === 'GET') return listHistory(archives, request);
  } else if (collection === 'workers' && id === undefined) {
    if (method === 'GET') return list(archives, request);
    if (method === 'POST') {
      queryOf(request);
      return Response.json(await archives.put(new Uint8Array(await request.arrayBuffer())), { status: 201 });
    }
  } else if (collection === 'workers' && id !== undefined) {
    if (method === 'GET') {
      const query = queryOf(request, ...(part === undefined ? [] : ['through']));
      return bytes(part === undefined ? archives.open(id) : archives.openHistory(id, throughIn(query)));
    }
    if (method === 'DELETE')
      return (part === undefined ? remove : removeHistory)(archives, id, request, caller.name);
  } else if (collection !== undefined) throw new RuntimeError('ROUTE_NOT_FOUND');
  throw methodNotAllowed('GET', ...(collection !== 'workers' ? [] : [id === undefined ? 'POST' : 'DELETE']));
};

/**
 * Mounts the archives of runtimes at `…/x/archives`: GET makes one of the whole runtime. Below `/workers`, GET lists the stopped Workers,
 * POST adds the Worker of an archive, and GET and DELETE of `/{worker}` copy and remove a stopped one. GET of `/history` lists history that can
 * go, and GET and DELETE of `/workers/{worker}/history` copy and remove it.
 */
export const mountArchives = (place: MountPlace): void => place.mount('archives', 'admin', answerArchives);
