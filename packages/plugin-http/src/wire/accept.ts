import { RuntimeError } from '@worker-runtime/core';

export const JSON_TYPE = 'application/json';
export const NDJSON_TYPE = 'application/x-ndjson';
export const SSE_TYPE = 'text/event-stream';

interface Range {
  readonly type: string;
  readonly quality: number;
}

const rangesOf = (accept: string): readonly Range[] =>
  accept.split(',').map((text) => {
    const [type = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase());
    const quality = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
    return { type, quality: quality === undefined ? 1 : Number(quality) || 0 };
  });

/**
 * Returns the preference for a type, from the most specific range that matches it. At equal quality, an exact match
 * ranks above a wildcard.
 */
const preferenceOf = (type: string, ranges: readonly Range[]): number => {
  const patterns = [type, `${type.slice(0, type.indexOf('/'))}/*`, '*/*'];
  for (const [rank, pattern] of patterns.entries()) {
    const range = ranges.find((candidate) => candidate.type === pattern);
    if (range) return range.quality === 0 ? 0 : range.quality - rank / 10_000;
  }
  return 0;
};

/** Returns the offer that the client prefers, the first one if all are equal; null if the client accepts none. */
export const preferred = <Offer extends string>(
  accept: string | undefined,
  offers: readonly [Offer, ...Offer[]],
): Offer | null => {
  if (accept === undefined || accept === '*/*') return offers[0];
  // most clients name one type, and nothing else has to be compared then
  const named = offers.find((offer) => offer === accept);
  if (named !== undefined) return named;
  const ranges = rangesOf(accept);
  let best: Offer | null = null;
  let highest = 0;
  for (const offer of offers) {
    const preference = preferenceOf(offer, ranges);
    if (preference <= highest) continue;
    best = offer;
    highest = preference;
  }
  return best;
};

/** Returns the offer that the client prefers. @throws NOT_ACCEPTABLE the client accepts none */
export const negotiate = <Offer extends string>(
  accept: string | undefined,
  offers: readonly [Offer, ...Offer[]],
): Offer => {
  const offer = preferred(accept, offers);
  if (offer !== null) return offer;
  throw new RuntimeError('NOT_ACCEPTABLE', `This resource is available as ${offers.join(', ')}`, {
    details: { offers },
  });
};
