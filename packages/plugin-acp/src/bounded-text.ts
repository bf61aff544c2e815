export interface BoundedText {
  readonly text: string;
  readonly truncated?: true;
}

/** Text of at most so many bytes of UTF-8. Cut, it says how much is missing. */
export const boundedText = (text: string, maxBytes: number): BoundedText => {
  const size = Buffer.byteLength(text);
  if (size <= maxBytes) return { text };
  // a character that is cut in two is left out
  const kept = Buffer.from(text)
    .subarray(0, maxBytes)
    .toString('utf8')
    .replace(/\uFFFD+$/, '');
  return { text: `${kept}\n[cut: ${maxBytes} of ${size} bytes are shown]`, truncated: true };
};
