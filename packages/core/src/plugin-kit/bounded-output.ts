import type { JsonValue } from '../contracts/json.ts';

interface Cut {
  readonly truncated?: true;
}

/** Shortens a text to at most `maxBytes` bytes of UTF-8. A shortened text ends with a line that tells both sizes. */
export const boundedText = (text: string, maxBytes: number): Cut & { readonly text: string } => {
  const size = Buffer.byteLength(text);
  if (size <= maxBytes) return { text };
  const bytes = Buffer.from(text);
  let end = maxBytes;
  // a byte that continues a character must not be the first one that is left out
  while (end > 0 && ((bytes[end] as number) & 0xc0) === 0x80) end -= 1;
  const kept = bytes.toString('utf8', 0, end);
  return { text: `${kept}\n[cut: ${maxBytes} of ${size} bytes are shown]`, truncated: true };
};

/**
 * Shortens the input or the output of a tool to at most `maxBytes` bytes of JSON. A shortened value is text. Engines
 * need this because tools have no limit of their own, and an event larger than `limits.eventBytes` would fail the
 * run.
 */
export const boundedOutput = (answer: unknown, maxBytes: number): Cut & { readonly output: JsonValue } => {
  const isText = typeof answer === 'string';
  const { text, truncated } = boundedText(isText ? answer : (JSON.stringify(answer) ?? 'null'), maxBytes);
  if (truncated) return { output: text, truncated };
  return { output: isText ? text : (JSON.parse(text) as JsonValue) };
};
