import type { TranscriptItem } from '@worker-runtime/core';
import { isSessionRecord } from './session-record.ts';

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
      if (part.type === 'tool-call')
        return isSessionRecord(part.name) ? '' : `tool call: ${part.name} ${JSON.stringify(part.input)}`;
      if (part.type === 'tool-result' && part.error !== undefined) return `tool failed: ${part.error}`;
      return part.type === 'tool-result' ? `tool result: ${JSON.stringify(part.output ?? null)}` : '';
    })
    .filter((line) => line !== '')
    .join('\n');

/** What was said before this run, for an agent that does not know it; null where there is nothing. */
export const preludeTo = async (
  runId: string,
  history: AsyncIterable<TranscriptItem>,
): Promise<Prelude | null> => {
  const lines: string[] = [];
  let chars = 0;
  let isCut = false;
  for await (const item of history) {
    if (item.run === runId) break;
    const line = lineOf(item);
    if (line === '' || line.startsWith('tool result: {"session":')) continue;
    lines.push(line);
    chars += line.length;
    while (chars > MOST_CHARS && lines.length > 0) {
      chars -= lines.shift()?.length ?? 0;
      isCut = true;
    }
  }
  if (lines.length === 0) return null;
  const text = `This conversation went on before you joined it. What was said so far:\n\n${lines.join('\n\n')}`;
  return { text, isCut };
};
