import { RuntimeError } from '@worker-runtime/core';
import { isObject, jsonBody } from '@worker-runtime/core/plugin-kit';
import type { Exchange } from './a2a-runtime.ts';
import { type Framing, sendMessage, streamMessage } from './messages.ts';
import type { Fields } from './parameters.ts';
import { A2aError, rpcErrorOf } from './rpc-error.ts';
import { cancelTask, getTask, listTasks, subscribeToTask } from './tasks.ts';

type CallId = string | number | null;

interface Call {
  readonly id: CallId;
  readonly method: string;
  readonly params: Fields;
}

const isCallId = (id: unknown): id is CallId =>
  id === null || typeof id === 'string' || typeof id === 'number';

/** @throws INVALID_REQUEST */
const callOf = (body: unknown): Call => {
  const invalid = (message: string): never => {
    throw new A2aError('INVALID_REQUEST', message);
  };
  if (!isObject(body)) return invalid('The body must be one call of JSON-RPC');
  const { jsonrpc, id, method, params = {} } = body;
  if (jsonrpc !== '2.0') return invalid('"jsonrpc" must be "2.0"');
  if (!isCallId(id)) return invalid('"id" must be a text or a number');
  if (typeof method !== 'string') return invalid('"method" must be a text');
  if (!isObject(params)) throw new A2aError('INVALID_PARAMS', '"params" must be an object');
  return { id, method, params };
};

/** @throws CONTENT_TYPE_NOT_SUPPORTED */
const checkContentType = ({ headers }: Request): void => {
  if (!/^application\/json\s*(;|$)/i.test(headers.get('content-type') ?? ''))
    throw new A2aError('CONTENT_TYPE_NOT_SUPPORTED', 'The body must be application/json');
};

/** @throws VERSION_NOT_SUPPORTED */
const checkVersion = ({ headers, url }: Request): void => {
  const version = headers.get('a2a-version') ?? new URL(url).searchParams.get('A2A-Version') ?? '';
  // patches do not differ, and an empty version means 0.3
  if (!/^1\.0(\.\d+)?$/.test(version))
    throw new A2aError('VERSION_NOT_SUPPORTED', 'The header A2A-Version must be 1.0');
};

const PUSH =
  /^(CreateTaskPushNotificationConfig|GetTaskPushNotificationConfig|ListTaskPushNotificationConfigs|DeleteTaskPushNotificationConfig)$/;

/** Returns the answer of a stream, or the result of a call. */
const answered = (
  exchange: Exchange,
  { method, params }: Call,
  framing: Framing,
): Promise<Response | object> => {
  switch (method) {
    case 'SendMessage':
      return sendMessage(exchange, params);
    case 'SendStreamingMessage':
      return streamMessage(exchange, params, framing);
    case 'GetTask':
      return getTask(exchange, params);
    case 'ListTasks':
      return listTasks(exchange, params);
    case 'CancelTask':
      return cancelTask(exchange, params);
    case 'SubscribeToTask':
      return subscribeToTask(exchange, params, framing);
    case 'GetExtendedAgentCard':
      throw new A2aError('UNSUPPORTED_OPERATION', 'The agent has no other card');
    default:
      if (PUSH.test(method))
        throw new A2aError('PUSH_NOTIFICATION_NOT_SUPPORTED', 'The agent sends no push notifications');
      throw new A2aError('METHOD_NOT_FOUND', 'No such method');
  }
};

/** Answers one call. Any error becomes an answer, with the status 200 as JSON-RPC has it, unless the body is too large. */
export const answerRpc = async (
  exchangeOf: () => Promise<Exchange>,
  request: Request,
  bodyBytes: number,
): Promise<Response> => {
  let id: CallId = null;
  const message = (part: object): object => ({ jsonrpc: '2.0', id, ...part });
  const frame = (part: object): string => `data: ${JSON.stringify(message(part))}\n\n`;
  try {
    checkContentType(request);
    const body = await jsonBody(request, bodyBytes).catch((error: unknown) => {
      if (RuntimeError.from(error).code !== 'INVALID_REQUEST') throw error;
      throw new A2aError('PARSE_ERROR', 'The body must be JSON');
    });
    if (isObject(body) && isCallId(body.id)) id = body.id;
    const call = callOf(body);
    checkVersion(request);
    const answer = await answered(await exchangeOf(), call, {
      result: (item) => frame({ result: item }),
      error: (error) => frame({ error: rpcErrorOf(error) }),
    });
    return answer instanceof Response ? answer : Response.json(message({ result: answer }));
  } catch (error) {
    const isTooLarge = error instanceof RuntimeError && error.code === 'PAYLOAD_TOO_LARGE' && id === null;
    return Response.json(message({ error: rpcErrorOf(error) }), { status: isTooLarge ? 413 : 200 });
  }
};
