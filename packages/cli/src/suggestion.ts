/** Returns the edit distance of two words: how many letters must be inserted, removed or replaced. */
const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let at = 0; at < a.length; at++) {
    const next = [at + 1];
    for (let to = 1; to <= b.length; to++)
      next.push(
        Math.min(
          (next[to - 1] ?? 0) + 1,
          (row[to] ?? 0) + 1,
          (row[to - 1] ?? 0) + (b[to - 1] === a[at] ? 0 : 1),
        ),
      );
    row = next;
  }
  return row[b.length] ?? 0;
};

/** Suggests the most similar known word, or nothing if none is similar enough. */
export const suggestion = (word: string, known: readonly string[]): string => {
  const [nearest] = known
    .map((name) => ({ name, away: distance(word, name) }))
    .filter(({ name, away }) => away <= Math.min(2, name.length / 2))
    .sort((a, b) => a.away - b.away);
  return nearest === undefined ? '' : `; did you mean ${nearest.name}?`;
};
