import {
  type CallOptions,
  decodedName,
  jsonBody,
  type LogEnd,
  methodNotAllowed,
  problemAnswer,
  readLogEnd,
  routeIn,
  type Serving,
} from '@worker-runtime/core/plugin-kit';
import type { AgUiRuntime } from './ag-ui-runtime.ts';
import { streamRun } from './answer-stream.ts';
import { blocksOf, inputIdOf } from './history.ts';
import { answerInterrupts } from './interrupts.ts';
import { type RunInput, runInputOf, type UserMessage } from './run-input.ts';

export interface AgUiOptions {
  /**
   * Returns the Worker of an agent, for example after a check of the session. A RuntimeError refuses the request. Default: the last name of the
   * path is the id of the Worker.
   */
  readonly workerOf?: (agent: string, request: Request) => string | Promise<string>;
  /** The largest body, in bytes; else PAYLOAD_TOO_LARGE. Default 1 MiB. */
  readonly bodyBytes?: number;
}

/** Sends messages as one input. Its key is the id of the last one, so a repeated request gets the same run. */
const sendMessages = async (
  runtime: AgUiRuntime,
  workerId: string,
  messages: readonly UserMessage[],
  call: CallOptions,
): Promise<string> => {
  const parts = await Promise.all(
    messages
      .flatMap((message) => message.parts)
      .map(async (part) =>
        part.type === 'text' ? part : runtime.putFile(workerId, part.bytes, { mediaType: part.mediaType }),
      ),
  );
  const messageId = messages.at(-1)?.id ?? '';
  const { runId } = await runtime.sendInput(
    workerId,
    { parts, messageId },
    { idempotencyKey: messageId, ...call },
  );
  return runId;
};

/** Returns the run that the answer follows, after the commands of a request. */
const followedRun = async (
  runtime: AgUiRuntime,
  workerId: string,
  { messages, answers }: RunInput,
  log: LogEnd,
  call: CallOptions,
): Promise<string | null> => {
  if (answers.length > 0) await answerInterrupts(runtime, workerId, answers, call);
  const runs = new Map(
    blocksOf(log).flatMap((block) => (block.kind === 'input' ? [[inputIdOf(block), block.run]] : [])),
  );
  const unknown = messages.filter(({ id }) => !runs.has(id));
  if (unknown.length > 0) return sendMessages(runtime, workerId, unknown, call);
  const last = messages.at(-1);
  const run = last === undefined ? undefined : runs.get(last.id);
  return run ?? (await runtime.getWorker(workerId)).run?.runId ?? null;
};

/** Answers one request of a client, for a server that answers errors itself. @throws the errors of the runtime · INVALID_REQUEST */
export const answerAgUi = async (
  runtime: AgUiRuntime,
  { workerOf, bodyBytes = 1_048_576 }: AgUiOptions,
  request: Request,
  serving: Serving,
): Promise<Response> => {
  const { actor = null, ending } = serving;
  const [, name] = routeIn(/\/([^/]+)$/, request, serving);
  const agent = decodedName(name as string);
  if (request.method !== 'POST') throw methodNotAllowed('POST');
  const input = runInputOf(await jsonBody(request, bodyBytes));
  const workerId = (await workerOf?.(agent, request)) ?? agent;
  const call = actor === null ? {} : { actor };
  const before = await readLogEnd(runtime, workerId);
  const followed = await followedRun(runtime, workerId, input, before, call);
  return streamRun({
    runtime,
    workerId,
    followed,
    // what the commands added belongs to the snapshot
    log: await readLogEnd(runtime, workerId),
    held: input.held,
    threadId: input.threadId,
    runId: input.runId,
    signal: request.signal,
    ending: ending ?? null,
  });
};

/**
 * Creates a handler of the Fetch API for clients of AG-UI 1.0, over an embedded or a remote runtime: `POST …/<Worker>` with a RunAgentInput.
 * The answer has all messages of the Worker, and then its run live. Any error becomes an answer.
 * @example
 * const handler = agUi(runtime);
 * app.post('/agents/:worker', (c) => handler(c.req.raw)); // Hono
 */
export const agUi = (
  runtime: AgUiRuntime,
  options: AgUiOptions = {},
): ((request: Request) => Promise<Response>) => {
  return async (request) => {
    try {
      return await answerAgUi(runtime, options, request, {});
    } catch (error) {
      return problemAnswer(error);
    }
  };
};
