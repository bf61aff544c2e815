import type { ElicitRequestFormParams, ElicitResult } from '@modelcontextprotocol/sdk/types.js';
import type { JsonObject, JsonValue, OpenRequest, RequestResponse } from '@worker-runtime/core';
import { isObject } from '@worker-runtime/core/plugin-kit';
import { meantOption } from '@worker-runtime/core/views';

type FormSchema = ElicitRequestFormParams['requestedSchema'];

const FLAT: ReadonlySet<unknown> = new Set(['string', 'number', 'integer', 'boolean', 'array']);

/** Returns the fields of a schema that a form of the protocol can show; null if it cannot show all of them. */
const fieldsOf = (schema: JsonObject | null): Readonly<Record<string, JsonObject>> | null => {
  if (schema === null) return {};
  const { type, properties = {} } = schema;
  if (type !== 'object' || !isObject(properties)) return null;
  const fields = Object.entries(properties as Record<string, unknown>);
  const isFlat = fields.every(
    ([name, field]) => name !== 'decision' && isObject(field) && FLAT.has(field.type),
  );
  return isFlat ? (Object.fromEntries(fields) as Readonly<Record<string, JsonObject>>) : null;
};

/** True if the values of the form are all that the request asks for: to send them means its only consent. */
const isPlainForm = ({ schema, options }: OpenRequest): boolean =>
  schema !== null && options.filter(({ kind }) => kind?.startsWith('allow')).length === 1;

/**
 * Returns the form in which a client asks its person, by elicitation: the decision, and the values that the request asks for. Null if
 * no form can ask for these values.
 */
export const formOf = (request: OpenRequest): ElicitRequestFormParams | null => {
  const { prompt, options, schema } = request;
  const fields = fieldsOf(schema);
  if (fields === null) return null;
  const decision = {
    type: 'string',
    title: 'Decision',
    oneOf: options.map(({ id, label }) => ({ const: id, title: label })),
  };
  const isPlain = isPlainForm(request);
  const required = Array.isArray(schema?.required) ? schema.required : [];
  return {
    mode: 'form',
    message: prompt,
    requestedSchema: {
      type: 'object',
      properties: { ...(!isPlain && { decision }), ...fields },
      required: isPlain ? required : ['decision'],
    } as FormSchema,
  };
};

/** Returns the answer to a request that the result of its form means; null if the person gave none. */
export const responseOf = (
  request: OpenRequest,
  { action, content }: ElicitResult,
): RequestResponse | null => {
  if (action === 'cancel') return null;
  const declined = meantOption(request.options, false)?.id ?? null;
  if (action === 'decline') return declined === null ? null : { decision: declined };
  const { decision, ...values } = (content ?? {}) as Readonly<Record<string, JsonValue>>;
  const chosen = isPlainForm(request) ? meantOption(request.options, true)?.id : decision;
  if (typeof chosen !== 'string' || !request.options.some(({ id }) => id === chosen)) return null;
  const isConsent = request.schema !== null && chosen !== declined;
  return { decision: chosen, ...(isConsent && Object.keys(values).length > 0 && { value: values }) };
};
