import { invalidRequest, isObject } from '@worker-runtime/core/plugin-kit';

/** Returns the fields of a body. @throws INVALID_REQUEST no object, or an unknown field */
export const fieldsOf = (body: unknown, known: readonly string[]): Readonly<Record<string, unknown>> => {
  if (!isObject(body)) throw invalidRequest([{ pointer: '', message: 'must be an object' }]);
  for (const name of Object.keys(body))
    if (!known.includes(name))
      throw invalidRequest([
        { pointer: `/${name.slice(0, 64)}`, message: `is unknown; the fields are ${known.join(', ')}` },
      ]);
  return body;
};

/** Refuses a field of a body. @throws INVALID_REQUEST */
export const refuseField = (field: string, message: string): never => {
  throw invalidRequest([{ pointer: `/${field}`, message }]);
};

/** Returns a time of this backend as it is on the wire. */
export const timeOf = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());
