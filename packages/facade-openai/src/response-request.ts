import { isObject, refuse } from '@worker-runtime/core/plugin-kit';
import { contentAt, type InputContent } from './input-content.ts';
import { flagAt, parametersOf, textAt } from './parameters.ts';
import { modelOfConversation, type ResponsePart, responsePartOf } from './response-id.ts';

/** The answer of a person to a request for approval. */
export interface Approval {
  readonly requestId: string;
  readonly isApproved: boolean;
  readonly reason: string | null;
}

/** A request for a response. Either the content or the approvals are empty. */
export interface ResponseRequest {
  readonly model: string;
  readonly previous: ResponsePart | null;
  readonly content: readonly InputContent[];
  readonly approvals: readonly Approval[];
  readonly isStream: boolean;
  readonly isBackground: boolean;
}

const KNOWN = new Set([
  'model',
  'input',
  'stream',
  'stream_options',
  'background',
  'conversation',
  'previous_response_id',
]);

const approvalAt = (item: Readonly<Record<string, unknown>>, pointer: string): Approval => {
  const { approval_request_id: requestId, approve, reason } = item;
  if (typeof approve !== 'boolean') return refuse(`${pointer}/approve`, 'must be true or false');
  return {
    requestId: textAt(requestId, `${pointer}/approval_request_id`),
    isApproved: approve,
    reason: typeof reason === 'string' && reason !== '' ? reason : null,
  };
};

const inputOf = (input: unknown): Pick<ResponseRequest, 'content' | 'approvals'> => {
  if (!Array.isArray(input)) return { content: contentAt(input, '/input'), approvals: [] };
  const content: InputContent[] = [];
  const approvals: Approval[] = [];
  for (const [at, item] of input.entries()) {
    const pointer = `/input/${at}`;
    if (!isObject(item)) refuse(pointer, 'must be an object');
    const { type = 'message', role } = item;
    if (type === 'mcp_approval_response') approvals.push(approvalAt(item, pointer));
    else if (type !== 'message' || role !== 'user')
      refuse(
        pointer,
        'must be a message of the user or an approval: the Worker has the conversation before it',
      );
    else content.push(...contentAt(item.content, `${pointer}/content`));
  }
  if (content.length > 0 && approvals.length > 0)
    return refuse('/input', 'must have either messages or approvals');
  if (content.length + approvals.length === 0) return refuse('/input', 'must not be empty');
  return { content, approvals };
};

/** Checks that a stream asks for nothing that it does not have. */
const checkStreamOptions = (options: unknown): void => {
  if (options === undefined) return;
  const given = isObject(options) ? options : refuse('/stream_options', 'must be an object');
  for (const [name, value] of Object.entries(given))
    if (name !== 'include_obfuscation' || value !== false)
      refuse(`/stream_options/${name}`, 'is not supported');
};

/** Returns what the body of a request for a response asks for. @throws INVALID_REQUEST · RUN_NOT_FOUND */
export const responseRequestOf = (body: unknown): ResponseRequest => {
  const { model, input, stream, stream_options, background, conversation, previous_response_id } =
    parametersOf(body, KNOWN);
  checkStreamOptions(stream_options);
  const previous =
    previous_response_id === undefined
      ? null
      : responsePartOf(textAt(previous_response_id, '/previous_response_id'));
  const conversationId = isObject(conversation) ? conversation.id : conversation;
  const ofConversation =
    conversationId === undefined
      ? null
      : (modelOfConversation(textAt(conversationId, '/conversation')) ??
        refuse('/conversation', 'must be "conv_" and the name of a model'));
  const names = [
    ...(model === undefined ? [] : [textAt(model, '/model')]),
    ...(ofConversation === null ? [] : [ofConversation]),
    ...(previous === null ? [] : [previous.model]),
  ];
  const [name] = names;
  if (name === undefined) return refuse('/model', 'must be the id of a Worker');
  if (names.some((other) => other !== name))
    return refuse('/model', 'must be the same as in the conversation and the previous response');
  return {
    model: name,
    previous,
    ...inputOf(input),
    isStream: flagAt(stream, '/stream'),
    isBackground: flagAt(background, '/background'),
  };
};
