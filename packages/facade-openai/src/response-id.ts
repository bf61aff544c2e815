import { RuntimeError } from '@worker-runtime/core';

/** The part of a run that one response shows. A request for approval ends a response, and its answer begins another one. */
export interface ResponsePart {
  /** The model, which names the Worker. */
  readonly model: string;
  readonly runId: string;
  /** The number of the event after which the response begins; 0 for the beginning of the run. */
  readonly from: number;
}

const ID = /^resp_(.+)\.([^.]+)\.(\d{1,15})$/;
const CONVERSATION = 'conv_';

/** Returns the id of a response. It has all that is needed to find the response again, also after a restart. */
export const responseIdOf = ({ model, runId, from }: ResponsePart): string =>
  `resp_${encodeURIComponent(model)}.${runId}.${from}`;

const decoded = (text: string): string | null => {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
};

/** @throws RUN_NOT_FOUND the id has another form */
export const responsePartOf = (id: string): ResponsePart => {
  const [, encoded = '', runId = '', from = ''] = ID.exec(id) ?? [];
  const model = decoded(encoded);
  if (!model) throw new RuntimeError('RUN_NOT_FOUND', 'No such response');
  return { model, runId, from: Number(from) };
};

export const conversationIdOf = (model: string): string => `${CONVERSATION}${model}`;

/** Returns the model of a conversation; null if the id has another form. */
export const modelOfConversation = (id: string): string | null =>
  id.startsWith(CONVERSATION) && id.length > CONVERSATION.length ? id.slice(CONVERSATION.length) : null;
