import type { Token, Tokens } from 'marked';
import { decoded } from './character-references.ts';
import type { Parsed } from './parsed.ts';

/** Returns what a text has more than an earlier one; null if it does not continue that one. An empty text has no node that could grow. */
const more = (before: string, after: string): string | null =>
  before !== '' && after.startsWith(before) ? after.slice(before.length) : null;

/** Returns the growth of the last of these tokens, if the others are the same. */
const growthOfLast = (before: readonly Token[] = [], after: readonly Token[] = []): string | null => {
  const last = after.length - 1;
  if (before.length !== after.length) return null;
  const areSame = after.every(
    ({ type, raw }, at) => at === last || (type === before[at]?.type && raw === before[at]?.raw),
  );
  return areSame ? growthOfToken(before[last], after[last]) : null;
};

/**
 * Returns the growth of the last text of a token. A type that is missing here is drawn again with each piece: it is short, or has another
 * element after its text.
 */
const growthOfToken = (before: Token | undefined, after: Token | undefined): string | null => {
  if (!before || !after || before.type !== after.type) return null;
  switch (after.type) {
    case 'paragraph':
    case 'blockquote': {
      const [from, to] = [before as Tokens.Paragraph, after as Tokens.Paragraph];
      return growthOfLast(from.tokens, to.tokens);
    }
    case 'text': {
      const [from, to] = [before as Tokens.Text, after as Tokens.Text];
      return from.tokens || to.tokens
        ? growthOfLast(from.tokens, to.tokens)
        : more(decoded(from.text), decoded(to.text));
    }
    case 'code': {
      const [from, to] = [before as Tokens.Code, after as Tokens.Code];
      return from.lang === to.lang ? more(from.text, to.text) : null;
    }
    case 'list': {
      const [from, to] = [before as Tokens.List, after as Tokens.List];
      const isSame = from.ordered === to.ordered && from.start === to.start && from.loose === to.loose;
      return isSame ? growthOfLast(from.items, to.items) : null;
    }
    case 'list_item': {
      const [from, to] = [before as Tokens.ListItem, after as Tokens.ListItem];
      return from.task === to.task && from.checked === to.checked
        ? growthOfLast(from.tokens, to.tokens)
        : null;
    }
    default:
      return null;
  }
};

/** Returns the characters that the last text on the page lacks to show the second text instead of the first; null if more differs. */
export const growthBetween = (before: Parsed, after: Parsed): string | null => {
  const open = before.finished.length;
  return before.from === after.from && open === after.finished.length
    ? growthOfToken(before.last[open]?.token, after.last[open]?.token)
    : null;
};
