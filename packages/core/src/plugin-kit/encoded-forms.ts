const unicodeEscape = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;

const upperCaseEscape = (char: string): string =>
  `\\u${char.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`;

/** Returns a text as it stands inside a JSON string, in the spellings of the common encoders. */
const jsonForms = (text: string): readonly string[] => {
  const plain = JSON.stringify(text).slice(1, -1);
  const ascii = plain.replace(/[\u007f-\uffff]/g, unicodeEscape);
  return [
    plain,
    ascii,
    // encoders that escape slashes, and those that escape what HTML gives a meaning
    plain.replaceAll('/', '\\/'),
    ascii.replaceAll('/', '\\/'),
    plain.replace(/[<>&\u2028\u2029]/g, unicodeEscape),
    ascii.replace(/[<>&]/g, unicodeEscape),
    plain.replaceAll('\\"', '\\u0022').replace(/[\u007f-\uffff<>&'+`]/g, upperCaseEscape),
  ];
};

/**
 * Returns a secret text and the forms in which it appears inside JSON, also inside JSON that is a string in JSON. Other
 * parties encode what they send, and a quote, a backslash, a line break or a letter beyond ASCII then looks different.
 */
export const encodedForms = (text: string): ReadonlySet<string> => {
  const once = new Set(jsonForms(text));
  const lines = text.includes('\n') ? [text.replace(/\r?\n/g, '\r\n')] : [];
  return new Set([text, ...lines, ...once, ...[...once].flatMap((form) => jsonForms(form))]);
};
