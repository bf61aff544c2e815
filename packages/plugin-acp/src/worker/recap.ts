import type { TranscriptItem } from '@worker-runtime/core';

/** The most of an earlier conversation that an agent is told in one prompt. */
const MOST_CHARS = 131_072;

export interface Prelude {
  readonly text: string;
  /** Whether older parts had to be left out. */
  readonly isCut: boolean;
}

const lineOf = ({ role, parts }: TranscriptItem): string =>
  parts
    .map((part) => {
      if (part.type === 'text') return `${role}: ${part.text}`;
      if (part.type === 'tool-call') return `tool call: ${part.name} ${JSON.stringify(part.input)}`;
      if (part.type !== 'tool-result') return '';
      return part.error === undefined
        ? `tool result: ${JSON.stringify(part.output ?? null)}`
        : `tool failed: ${part.error}`;
    })
    .filter((line) => line !== '')
    .join('\n');

/**
 * What was said before this run, for an agent that does not know it; null where there is nothing. `legend` says what
 * stands in it under other names.
 */
export const preludeTo = async (
  runId: string,
  history: AsyncIterable<TranscriptItem>,
  legend: string,
): Promise<Prelude | null> => {
  const lines: string[] = [];
  let chars = 0;
  let isCut = false;
  for await (const item of history) {
    if (item.run === runId) break;
    const line = lineOf(item);
    if (line === '') continue;
    lines.push(line);
    chars += line.length;
    while (chars > MOST_CHARS && lines.length > 0) {
      chars -= lines.shift()?.length ?? 0;
      isCut = true;
    }
  }
  if (lines.length === 0) return null;
  const head = 'This conversation went on before you joined it. What was said so far:';
  return {
    text: [head, ...lines, ...(legend === '' ? [] : [legend]), 'What is said next:'].join('\n\n'),
    isCut,
  };
};
