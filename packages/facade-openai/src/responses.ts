import { RuntimeError } from '@worker-runtime/core';
import { QUIET_FRAME, refuse, sseAnswer } from '@worker-runtime/core/plugin-kit';
import { answerApprovals } from './approvals.ts';
import { acceptedErrorAnswer, apiErrorOf } from './error-answer.ts';
import { sendContent } from './input-content.ts';
import { observeRun } from './observe-run.ts';
import type { Exchange } from './openai-runtime.ts';
import { ResponseEvents, restOf, type StreamEvent } from './response-events.ts';
import { type ResponsePart, responsePartOf } from './response-id.ts';
import { type ResponseObject, responseOf } from './response-object.ts';
import { responseRequestOf } from './response-request.ts';
import { RunPart } from './run-part.ts';

const frame = (event: StreamEvent): string => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;

/** Refuses to go back: a Worker has one conversation. */
const checkIsLast = async (
  { runtime }: Exchange,
  workerId: string,
  { runId }: ResponsePart,
): Promise<void> => {
  let before: string | null = 'end';
  while (before !== null) {
    const { items, next }: Awaited<ReturnType<typeof runtime.events>> = await runtime.events(workerId, {
      before,
      limit: 100,
      types: ['run.started'],
    });
    const last = items.at(-1);
    if (last?.run === runId) return;
    if (last) break;
    before = next;
  }
  refuse(
    '/previous_response_id',
    'must be that of the last response: a Worker has one conversation, and cannot go back in it',
  );
};

/** Streams a part of a run from its beginning, or after a number of an earlier stream. */
const streamed = async (
  exchange: Exchange,
  workerId: string,
  place: ResponsePart,
  after: number,
): Promise<Response> => {
  const run = await exchange.runtime.getRun(workerId, place.runId);
  const events = new ResponseEvents(place, run);
  const frames = async function* (left: AbortSignal): AsyncGenerator<string> {
    const some = (all: readonly StreamEvent[]): readonly StreamEvent[] =>
      all.flatMap((event) => restOf(event, after) ?? []);
    for (const event of some(events.begin())) yield frame(event);
    for await (const item of observeRun(exchange, workerId, run.cursor, [left])) {
      if (item === 'quiet') {
        yield QUIET_FRAME;
        continue;
      }
      for (const event of some(events.apply(item))) yield frame(event);
      if (events.isFinished) return;
    }
  };
  return sseAnswer({
    frames,
    failed: (error) => {
      const { code, message, param } = apiErrorOf(error);
      return frame(events.fail({ code, message, param }));
    },
  });
};

/** Waits for the end of a part. @throws RUNTIME_STOPPING and other ends of the stream */
const awaited = async (
  exchange: Exchange,
  workerId: string,
  place: ResponsePart,
): Promise<ResponseObject> => {
  const run = await exchange.runtime.getRun(workerId, place.runId);
  const part = new RunPart(place.runId, place.from);
  for await (const item of observeRun(exchange, workerId, run.cursor)) {
    if (item !== 'quiet' && item.type === 'event') part.add(item.event);
    if (part.end !== null) return responseOf(place, run, part);
  }
  throw new RuntimeError('RUNTIME_UNREACHABLE');
};

/** Reads a part as far as the log has it. */
const current = async (
  { runtime }: Exchange,
  workerId: string,
  place: ResponsePart,
): Promise<ResponseObject> => {
  const run = await runtime.getRun(workerId, place.runId);
  const part = new RunPart(place.runId, place.from);
  let after: string | null = run.cursor;
  while (after !== null && part.end === null) {
    const { items, next }: Awaited<ReturnType<typeof runtime.events>> = await runtime.events(workerId, {
      after,
    });
    for (const event of items) part.add(event);
    after = next;
  }
  return responseOf(place, run, part);
};

/** Creates a response: sends an input, or answers requests for approval. */
export const createResponse = async (exchange: Exchange, body: unknown): Promise<Response> => {
  const { model, previous, content, approvals, isStream, isBackground } = responseRequestOf(body);
  const workerId = await exchange.workerOf(model);
  const answered = async (place: ResponsePart): Promise<Response> => {
    if (isStream) return streamed(exchange, workerId, place, -1);
    return Response.json(
      isBackground ? await current(exchange, workerId, place) : await awaited(exchange, workerId, place),
    );
  };
  if (approvals.length > 0)
    return answered(await answerApprovals(exchange, workerId, model, previous, approvals));
  if (previous !== null) await checkIsLast(exchange, workerId, previous);
  const { runId } = await sendContent(exchange, workerId, content);
  try {
    return await answered({ model, runId, from: 0 });
  } catch (error) {
    return acceptedErrorAnswer(exchange.request, error);
  }
};

const QUERY = new Set(['stream', 'starting_after', 'include_obfuscation']);

/** Returns a response as it is now, or streams it from its beginning or after a number. */
export const retrieveResponse = async (exchange: Exchange, id: string): Promise<Response> => {
  const place = responsePartOf(id);
  const workerId = await exchange.workerOf(place.model);
  const query = new URL(exchange.request.url).searchParams;
  for (const name of query.keys()) if (!QUERY.has(name)) refuse(`/${name}`, 'is not supported');
  if (query.get('stream') !== 'true') return Response.json(await current(exchange, workerId, place));
  const after = query.get('starting_after') ?? '-1';
  if (!/^(-1|\d{1,15})$/.test(after)) refuse('/starting_after', 'must be a sequence number');
  return streamed(exchange, workerId, place, Number(after));
};

/** Cancels the run of a response. A run that has ended stays as it is. */
export const cancelResponse = async (exchange: Exchange, id: string): Promise<Response> => {
  const place = responsePartOf(id);
  const workerId = await exchange.workerOf(place.model);
  const { runtime, call } = exchange;
  const { runId } = place;
  // a run that is not known is refused
  await runtime.getRun(workerId, runId);
  await runtime
    .cancelRun(workerId, { runId, reason: 'The client cancelled the response' }, call)
    .catch((error: unknown) => {
      if (RuntimeError.from(error).code !== 'RUN_MISMATCH') throw error;
    });
  return Response.json(await current(exchange, workerId, place));
};
