import type { OpenRequest } from '@worker-runtime/core';
import {
  answerRequest,
  type CallOptions,
  decodedName,
  jsonBody,
  methodNotAllowed,
  problemAnswer,
  refuse,
  routeIn,
  type ServedRuntime,
  type Serving,
} from '@worker-runtime/core/plugin-kit';
import { meantOption } from '@worker-runtime/core/views';
import { streamRun } from './answer-stream.ts';
import { type Approval, type ChatRequest, chatRequestOf, type InputPart } from './chat-request.ts';
import { chatHistory } from './history.ts';

/** The calls of a runtime that a chat needs. A `Runtime`, a remote client and a served runtime have them. */
export type ChatRuntime = Pick<
  ServedRuntime,
  'events' | 'getRun' | 'getWorker' | 'listRequests' | 'observe' | 'putFile' | 'respond' | 'sendInput'
>;

export interface UiStreamOptions {
  /** Returns the Worker of a chat, for example after a check of the session. Default: the id of the chat is that of the Worker. */
  readonly workerOf?: (chatId: string, request: Request) => string | Promise<string>;
  /** The largest body, in bytes; else PAYLOAD_TOO_LARGE. Default 1 MiB. */
  readonly bodyBytes?: number;
}

/** Returns the option of a request that an approval or a refusal takes. @throws INVALID_REQUEST no option can be chosen */
const decisionOf = ({ options }: OpenRequest, { isApproved, reason }: Approval): string => {
  const named = options.find(({ id }) => id === reason);
  if (named) return named.id;
  const ids = options.map(({ id }) => `"${id}"`).join(', ');
  return (
    meantOption(options, isApproved)?.id ??
    refuse(
      '/messages',
      `must have one of ${ids} as the reason of the answer, because the options do not say what they mean`,
    )
  );
};

/** All messages are sent to the façade itself. */
const MESSAGES = /\/?$/;
const CHAT = /\/([^/]+)(\/stream)?$/;

class Chat {
  readonly #runtime: ChatRuntime;
  readonly #options: UiStreamOptions;
  readonly #call: CallOptions;
  readonly #serving: Serving;

  constructor(runtime: ChatRuntime, options: UiStreamOptions, serving: Serving) {
    const { actor = null } = serving;
    this.#runtime = runtime;
    this.#options = options;
    this.#call = actor === null ? {} : { actor };
    this.#serving = serving;
  }

  async answer(request: Request): Promise<Response> {
    const { method } = request;
    if (method === 'POST') {
      routeIn(MESSAGES, request, this.#serving);
      const asked = chatRequestOf(await jsonBody(request, this.#options.bodyBytes ?? 1_048_576));
      const workerId = await this.#workerOf(asked.chatId, request);
      return asked.kind === 'message'
        ? this.#message(workerId, asked, request)
        : this.#approvals(workerId, asked, request);
    }
    if (method !== 'GET') throw methodNotAllowed('GET', 'POST');
    const [, name, stream] = routeIn(CHAT, request, this.#serving);
    const workerId = await this.#workerOf(decodedName(name as string), request);
    return stream === undefined
      ? Response.json(await chatHistory(this.#runtime, workerId))
      : this.#resume(workerId, request);
  }

  async #workerOf(chatId: string, request: Request): Promise<string> {
    return this.#options.workerOf?.(chatId, request) ?? chatId;
  }

  async #message(
    workerId: string,
    { messageId, parts }: Extract<ChatRequest, { readonly kind: 'message' }>,
    request: Request,
  ): Promise<Response> {
    const stored = await Promise.all(parts.map((part) => this.#stored(workerId, part)));
    const input = { parts: stored, messageId };
    // a repeated request has the same message, and gets the same run
    const { runId, cursor } = await this.#runtime.sendInput(workerId, input, {
      idempotencyKey: messageId,
      ...this.#call,
    });
    return this.#stream(workerId, runId, cursor, null, request);
  }

  async #stored(workerId: string, part: InputPart) {
    if (part.type === 'text') return part;
    const { mediaType, name, bytes } = part;
    return this.#runtime.putFile(workerId, bytes, { mediaType, ...(name !== null && { name }) });
  }

  async #approvals(
    workerId: string,
    { runId, progress, approvals }: Extract<ChatRequest, { readonly kind: 'approvals' }>,
    request: Request,
  ): Promise<Response> {
    const { cursor } = await this.#runtime.getRun(workerId, runId);
    const { items } = await this.#runtime.listRequests(workerId);
    // what another client has answered is in the stream
    const answers = approvals.flatMap((approval) => {
      const open = items.find((one) => one.runId === runId && one.requestId === approval.requestId);
      return open ? [{ open, approval, decision: decisionOf(open, approval) }] : [];
    });
    for (const { open, approval, decision } of answers) {
      const note = approval.reason !== null && approval.reason !== decision ? { note: approval.reason } : {};
      await answerRequest(this.#runtime, workerId, open.requestId, { decision, ...note }, this.#call);
    }
    return this.#stream(workerId, runId, cursor, progress, request);
  }

  async #resume(workerId: string, request: Request): Promise<Response> {
    // a run that the client names may have ended since it read the messages
    const named = new URL(request.url).searchParams.get('run');
    const run =
      named === null
        ? (await this.#runtime.getWorker(workerId)).run
        : await this.#runtime.getRun(workerId, named);
    return run === null
      ? new Response(null, { status: 204 })
      : this.#stream(workerId, run.runId, run.cursor, null, request);
  }

  #stream(
    workerId: string,
    runId: string,
    cursor: string,
    progress: Parameters<typeof streamRun>[0]['progress'],
    { signal }: Request,
  ): Response {
    const run = {
      runtime: this.#runtime,
      workerId,
      runId,
      cursor,
      progress,
      signal,
      ending: this.#serving.ending ?? null,
    };
    return streamRun(run);
  }
}

/** Answers one request of `useChat`, for a server that answers errors itself. @throws the errors of the runtime · INVALID_REQUEST */
export const answerChat = (
  runtime: ChatRuntime,
  options: UiStreamOptions,
  request: Request,
  serving: Serving,
): Promise<Response> => new Chat(runtime, options, serving).answer(request);

/**
 * Creates a handler of the Fetch API for `useChat` of the AI SDK, over an embedded or a remote runtime. It answers `POST` with a
 * message or with approvals, `GET …/<chat>/stream` to resume the active run (204 if there is none) or the one of `?run=`, and
 * `GET …/<chat>` with the messages. Any error becomes an answer.
 * @example
 * // app/api/chat/[[...path]]/route.ts of Next.js
 * const handler = uiStream(runtime);
 * export { handler as GET, handler as POST };
 */
export const uiStream = (
  runtime: ChatRuntime,
  options: UiStreamOptions = {},
): ((request: Request) => Promise<Response>) => {
  return async (request) => {
    try {
      return await answerChat(runtime, options, request, {});
    } catch (error) {
      return problemAnswer(error);
    }
  };
};
