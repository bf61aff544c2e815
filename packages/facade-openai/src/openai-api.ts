import { RuntimeError } from '@worker-runtime/core';
import {
  decodedName,
  jsonBody,
  methodNotAllowed,
  routeIn,
  type Serving,
} from '@worker-runtime/core/plugin-kit';
import { createCompletion } from './chat-completions.ts';
import { errorAnswer } from './error-answer.ts';
import { listModels, retrieveModel } from './models.ts';
import type { Exchange, OpenAiRuntime } from './openai-runtime.ts';
import { cancelResponse, createResponse, retrieveResponse } from './responses.ts';

export interface OpenAiApiOptions {
  /**
   * Returns the Worker of a model, for example after a check of the caller. A RuntimeError refuses the request. Default: the name of the
   * model is the id of the Worker. With this option, models cannot be listed.
   */
  readonly workerOf?: (model: string, request: Request) => string | Promise<string>;
  /** The largest body, in bytes; else PAYLOAD_TOO_LARGE. Default 1 MiB. */
  readonly bodyBytes?: number;
}

/** Many clients end every base URL with `/v1`. */
const ROUTE = /(?:\/v1)?\/(?:(responses|models)(?:\/([^/]+)(\/cancel)?)?|(chat\/completions))\/?$/;

const routed = (
  exchange: Exchange,
  { bodyBytes = 1_048_576, workerOf }: OpenAiApiOptions,
  serving: Serving,
): Promise<Response> => {
  const { request } = exchange;
  const [, list, name, cancel, chat] = routeIn(ROUTE, request, serving);
  const id = name === undefined ? null : decodedName(name);
  const assertMethod = (method: string): void => {
    if (request.method !== method) throw methodNotAllowed(method);
  };
  const body = () => jsonBody(request, bodyBytes);
  if (chat !== undefined) {
    assertMethod('POST');
    return body().then((read) => createCompletion(exchange, read));
  }
  if (list === 'responses' && id === null) {
    assertMethod('POST');
    return body().then((read) => createResponse(exchange, read));
  }
  if (list === 'responses' && id !== null) {
    assertMethod(cancel === undefined ? 'GET' : 'POST');
    return cancel === undefined ? retrieveResponse(exchange, id) : cancelResponse(exchange, id);
  }
  if (list === 'models' && cancel === undefined && (id !== null || !workerOf)) {
    assertMethod('GET');
    return id === null ? listModels(exchange) : retrieveModel(exchange, id);
  }
  throw new RuntimeError('ROUTE_NOT_FOUND');
};

/** Answers one request of a client. Any error becomes an answer. */
export const answerOpenAi = async (
  runtime: OpenAiRuntime,
  options: OpenAiApiOptions,
  request: Request,
  serving: Serving,
): Promise<Response> => {
  const { actor = null, ending } = serving;
  const exchange: Exchange = {
    runtime,
    request,
    call: actor === null ? {} : { actor },
    ending: ending ?? null,
    workerOf: async (model) => options.workerOf?.(model, request) ?? model,
  };
  try {
    return await routed(exchange, options, serving);
  } catch (error) {
    return errorAnswer(error);
  }
};

/**
 * Creates a handler of the Fetch API for clients of the OpenAI API, over an embedded or a remote runtime: `/responses`,
 * `/chat/completions` and `/models`, below any path. A model is a Worker. Any error becomes an answer.
 * @example
 * const handler = openAiApi(runtime);
 * app.all('/v1/*', (c) => handler(c.req.raw)); // Hono
 */
export const openAiApi = (
  runtime: OpenAiRuntime,
  options: OpenAiApiOptions = {},
): ((request: Request) => Promise<Response>) => {
  return (request) => answerOpenAi(runtime, options, request, {});
};
