import type { ListWorkers } from '@worker-runtime/core';
import { invalid } from './remote-error.ts';

/** Query parameters as they were asked for: what is left out is not sent. */
export const queryOf = (values: object): URLSearchParams => {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values))
    if (value !== undefined) query.append(name, String(value));
  return query;
};

/** @throws INVALID_REQUEST a label that the wire cannot ask for */
export const listQueryOf = ({ labels, ...rest }: ListWorkers): URLSearchParams => {
  const query = queryOf(rest);
  for (const [key, value] of Object.entries(labels ?? {})) {
    if (key === '' || key.includes('='))
      throw invalid('/labels', 'must not have a key that is empty or holds "="');
    query.append('label', `${key}=${value}`);
  }
  return query;
};
