import type { TranscriptItem } from '@worker-runtime/core';
import { fileText } from '@worker-runtime/core/plugin-kit';

/** The most characters of an earlier conversation to put into one prompt. */
const MAX_CHARS = 131_072;

export interface Recap {
  readonly text: string;
  /** True if the oldest parts of the conversation were left out. */
  readonly isCut: boolean;
}

const linesOf = ({ role, parts }: TranscriptItem): string =>
  parts
    .map((part) => {
      if (part.type === 'text') return `${role}: ${part.text}`;
      if (part.type === 'file' && 'digest' in part) return `${role}: ${fileText(part)}`;
      if (part.type === 'tool-call') return `tool call: ${part.name} ${JSON.stringify(part.input)}`;
      if (part.type !== 'tool-result') return '';
      return part.error === undefined
        ? `tool result: ${JSON.stringify(part.output ?? null)}`
        : `tool failed: ${part.error}`;
    })
    .filter((line) => line !== '')
    .join('\n');

/**
 * Writes the conversation before a run as text, for an agent that does not have it in its session. Returns null if
 * there is no such conversation. `legend` explains the labels that stand for private text in it.
 */
export const recapBefore = async (
  runId: string,
  history: AsyncIterable<TranscriptItem>,
  legend: string,
): Promise<Recap | null> => {
  const items: string[] = [];
  let chars = 0;
  let isCut = false;
  for await (const item of history) {
    if (item.run === runId) break;
    const lines = linesOf(item);
    if (lines === '') continue;
    items.push(lines);
    chars += lines.length;
    while (chars > MAX_CHARS && items.length > 0) {
      chars -= items.shift()?.length ?? 0;
      isCut = true;
    }
  }
  if (items.length === 0) return null;
  const head = 'This conversation began before you joined it. The conversation so far:';
  return {
    text: [head, ...items, ...(legend === '' ? [] : [legend]), 'The next message:'].join('\n\n'),
    isCut,
  };
};
