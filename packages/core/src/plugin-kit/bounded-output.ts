import type { JsonValue } from '../contracts/json.ts';

interface Cut {
  readonly truncated?: true;
}

/** Text of at most so many bytes of UTF-8. Cut, it ends with a line that says how much is missing. */
export const boundedText = (text: string, maxBytes: number): Cut & { readonly text: string } => {
  const size = Buffer.byteLength(text);
  if (size <= maxBytes) return { text };
  // a character that is cut in two is left out
  const kept = Buffer.from(text)
    .subarray(0, maxBytes)
    .toString('utf8')
    .replace(/\uFFFD+$/, '');
  return { text: `${kept}\n[cut: ${maxBytes} of ${size} bytes are shown]`, truncated: true };
};

/**
 * What a tool answered, or is called with, as JSON of at most so many bytes; cut, it is text. For engines: what a tool
 * says has no bound of its own, and an event beyond `eventBytes` would fail the run.
 */
export const boundedOutput = (answer: unknown, maxBytes: number): Cut & { readonly output: JsonValue } => {
  const isText = typeof answer === 'string';
  const { text, truncated } = boundedText(isText ? answer : (JSON.stringify(answer) ?? 'null'), maxBytes);
  if (truncated) return { output: text, truncated };
  return { output: isText ? text : (JSON.parse(text) as JsonValue) };
};
