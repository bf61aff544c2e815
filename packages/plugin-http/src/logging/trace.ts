const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-|$)/;

/** The trace that a request belongs to, after W3C Trace Context, for the log; null where it names none. */
export const traceIdOf = (header: string | readonly string[] | undefined): string | null => {
  const [, version, traceId, parentId] = TRACEPARENT.exec(typeof header === 'string' ? header : '') ?? [];
  const isNone = (id: string | undefined): boolean => id === undefined || /^0+$/.test(id);
  return version === 'ff' || isNone(traceId) || isNone(parentId) ? null : (traceId as string);
};
