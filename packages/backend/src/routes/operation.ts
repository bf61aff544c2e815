import type { JsonObject } from '@worker-runtime/core';

export const TEXT = { type: 'string' };

const contentOf = (schema: JsonObject): JsonObject => ({ 'application/json': { schema } });

/** Describes a route for the OpenAPI document. */
export const operation = (
  id: string,
  summary: string,
  status: number,
  description: string,
  parameters: readonly JsonObject[] = [],
): JsonObject => ({
  operationId: id,
  tags: ['Server'],
  summary,
  parameters,
  responses: { [status]: { description, ...(status !== 204 && { content: contentOf({ type: 'object' }) }) } },
});

/** The `security` of a route that identifies its caller itself, by the cookie of a session or by a token. */
export const IDENTIFIED = [{ bearer: [] }, {}];

/** Describes a route that identifies its caller itself. */
export const ownOperation = (...described: Parameters<typeof operation>): JsonObject => ({
  ...operation(...described),
  security: IDENTIFIED,
});

/** Describes a page for people. */
export const pageOperation = (id: string, summary: string): JsonObject => ({
  operationId: id,
  tags: ['Server'],
  summary,
  parameters: [],
  responses: { 200: { description: 'Success.', content: { 'text/html': { schema: TEXT } } } },
});

/** Describes the body of a request. */
export const requestOf = (properties: JsonObject, required: readonly string[]): JsonObject => ({
  requestBody: {
    required: true,
    content: contentOf({ type: 'object', properties, required, additionalProperties: false }),
  },
});

export const queryParameter = (name: string): JsonObject => ({ name, in: 'query', schema: TEXT });

export const pathParameter = (name: string): JsonObject => ({
  name,
  in: 'path',
  required: true,
  schema: TEXT,
});
