/** Returns the time for which an answer asks its client to wait, in milliseconds; null if it does not. */
export const retryAfterOf = (headers: Headers): number | null => {
  const value = headers.get('retry-after')?.trim() ?? '';
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1_000;
  // by the clock of the server, which may differ from the one of this machine
  const sentAt = Date.parse(headers.get('date') ?? '');
  const ms = Date.parse(value) - (Number.isNaN(sentAt) ? Date.now() : sentAt);
  return Number.isNaN(ms) ? null : Math.max(0, ms);
};
