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
 * How much a type is wanted, by the range that names it most exactly. Of types that are wanted alike, one that was
 * named comes before one that a wildcard let in.
 */
const wantOf = (type: string, ranges: readonly Range[]): number => {
  const patterns = [type, `${type.slice(0, type.indexOf('/'))}/*`, '*/*'];
  for (const [vagueness, pattern] of patterns.entries()) {
    const range = ranges.find((candidate) => candidate.type === pattern);
    if (range) return range.quality === 0 ? 0 : range.quality - vagueness / 10_000;
  }
  return 0;
};

/** The best representation of those offered, the first one where all are equal; null where none will do. */
export const preferred = <Offer extends string>(
  accept: string | undefined,
  offers: readonly [Offer, ...Offer[]],
): Offer | null => {
  if (accept === undefined) return offers[0];
  const ranges = rangesOf(accept);
  let best: Offer | null = null;
  let most = 0;
  for (const offer of offers) {
    const want = wantOf(offer, ranges);
    if (want <= most) continue;
    best = offer;
    most = want;
  }
  return best;
};

/** As `preferred`. @throws NOT_ACCEPTABLE none will do */
export const negotiate = <Offer extends string>(
  accept: string | undefined,
  offers: readonly [Offer, ...Offer[]],
): Offer => {
  const offer = preferred(accept, offers);
  if (offer !== null) return offer;
  throw new RuntimeError('NOT_ACCEPTABLE', `This resource is offered as ${offers.join(', ')}`, {
    details: { offers },
  });
};
