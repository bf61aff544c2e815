const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-|$)/;

/** Returns the trace id of a `traceparent` header (W3C Trace Context); null if there is no valid one. */
export const traceIdOf = (header: string | readonly string[] | undefined): string | null => {
  if (header === undefined) return null;
  const [, version, traceId, parentId] = TRACEPARENT.exec(typeof header === 'string' ? header : '') ?? [];
  const isEmpty = (id: string | undefined): boolean => id === undefined || /^0+$/.test(id);
  return version === 'ff' || isEmpty(traceId) || isEmpty(parentId) ? null : (traceId as string);
};

/** The characters of a trace context without the fields that later versions may add. */
const TRACEPARENT_CHARS = 55;

/** Returns the trace context of a `traceparent` header, to be recorded with an input. An invalid one is ignored. */
export const traceOf = (header: string | readonly string[] | undefined): { readonly traceparent?: string } =>
  typeof header !== 'string' || traceIdOf(header) === null
    ? {}
    : { traceparent: header.slice(0, TRACEPARENT_CHARS) };
