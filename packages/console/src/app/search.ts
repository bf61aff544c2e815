/** Reads the parameters of an address. A name that occurs several times has a list. */
export const parseSearch = (text: string): Record<string, unknown> => {
  const found: Record<string, unknown> = {};
  const parameters = new URLSearchParams(text);
  for (const name of new Set(parameters.keys())) {
    const values = parameters.getAll(name);
    found[name] = values.length === 1 ? values[0] : values;
  }
  return found;
};

/** Writes the parameters of an address, as people read them: `?status=waiting&label=team=docs`. */
export const stringifySearch = (search: Record<string, unknown>): string => {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(search))
    for (const one of Array.isArray(value) ? value : [value])
      if (one !== undefined && one !== '') parameters.append(name, String(one));
  return parameters.size === 0 ? '' : `?${parameters}`;
};

/** Returns a text parameter, or nothing if it is absent. */
export const textOr = <K extends string>(name: K, value: unknown): { readonly [N in K]?: string } => {
  const text = Array.isArray(value) ? value[0] : value;
  return (typeof text === 'string' && text !== '' ? { [name]: text } : {}) as { readonly [N in K]?: string };
};

/** Returns a parameter with any number of values, or nothing if it is absent. */
export const texts = <K extends string>(
  name: K,
  value: unknown,
): { readonly [N in K]?: readonly string[] } => {
  const all = (Array.isArray(value) ? value : [value]).filter(
    (one): one is string => typeof one === 'string' && one !== '',
  );
  return (all.length > 0 ? { [name]: all } : {}) as unknown as { readonly [N in K]?: readonly string[] };
};

/** The filters and the order of the list of Workers. */
export interface WorkersSearch {
  readonly q?: string;
  readonly status?: readonly string[];
  readonly engine?: readonly string[];
  readonly label?: readonly string[];
  readonly runtime?: readonly string[];
  readonly sort?: string;
}
