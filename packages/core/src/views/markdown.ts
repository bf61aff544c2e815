import type { JsonValue } from '../contracts/json.ts';
import type { TranscriptItem } from '../contracts/transcript.ts';
import { jsonText } from './json-text.ts';

/** Makes a block of code. Its fence is longer than any in the text, which therefore cannot end it. */
const code = (value: JsonValue): string => {
  const text = jsonText(value);
  const longest = (text.match(/`+/g) ?? []).reduce((most, run) => Math.max(most, run.length), 2);
  const fence = '`'.repeat(longest + 1);
  return `${fence}json\n${text}\n${fence}`;
};

const textOf = (part: TranscriptItem['parts'][number]): string => {
  switch (part.type) {
    case 'text':
      return part.text;
    case 'reasoning':
      return `> ${part.text.replaceAll('\n', '\n> ')}`;
    case 'tool-call':
      return `\`${part.name}\`\n\n${code(part.input)}`;
    case 'tool-result':
      return code(part.error ?? part.output ?? null);
    case 'run-end':
      return `_${part.outcome}${part.error ? `: ${part.error.message}` : ''}_`;
    case 'file': {
      const name = part.name ?? part.mediaType;
      return 'url' in part ? `[${name}](${part.url})` : `[${name}, ${part.sizeBytes} bytes]`;
    }
  }
};

/** Writes an item of a conversation as Markdown: a heading with who speaks and when, then its parts. Ends with an empty line. */
export const markdownOf = ({ role, actor, parts, time, partial }: TranscriptItem): string => {
  const speaker = actor === undefined ? role : `${role} (${actor})`;
  const texts = parts.map(textOf);
  return `## ${speaker}, ${time}\n\n${[...texts, ...(partial ? ['_incomplete_'] : [])].join('\n\n')}\n\n`;
};
