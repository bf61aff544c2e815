import { invalidRequest } from './remote-error.ts';

/** Returns query parameters. Omits undefined values. */
export const queryOf = (values: object): URLSearchParams => {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values))
    if (value !== undefined) query.append(name, String(value));
  return query;
};

/** Returns query parameters with labels. @throws INVALID_REQUEST a query cannot carry the key of a label */
export const listQueryOf = <T extends { readonly labels?: Readonly<Record<string, string>> }>({
  labels,
  ...rest
}: T): URLSearchParams => {
  const query = queryOf(rest);
  for (const [key, value] of Object.entries(labels ?? {})) {
    if (key === '' || key.includes('='))
      throw invalidRequest('/labels', 'must not have a key that is empty or contains "="');
    query.append('label', `${key}=${value}`);
  }
  return query;
};
