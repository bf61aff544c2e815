/** Returns the first characters of a text. Does not cut a surrogate pair in two: providers refuse half of one. */
export const beginning = (text: string, maxChars: number): string => {
  if (text.length <= maxChars) return text;
  const last = text.charCodeAt(maxChars - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? maxChars - 1 : maxChars);
};
