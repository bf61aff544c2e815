import { lexer, type Token, type Tokens } from 'marked';
import { memo, type ReactNode, useRef } from 'react';
import { CopyButton } from '../parts/copyable.tsx';
import { ScrollRegion, ScrollText } from '../parts/scroll-region.tsx';
import styles from './markdown.module.css';

const NAMED: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: '\u00a0',
  hellip: '…',
  mdash: '—',
  ndash: '–',
  copy: '©',
};

/** Replaces character references, which Markdown leaves to HTML. */
const decoded = (text: string): string =>
  text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,8}));/gi, (all, decimal, hex, name) => {
    const code = decimal ? Number(decimal) : hex ? Number.parseInt(hex, 16) : null;
    if (code === null) return NAMED[String(name)] ?? all;
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : all;
  });

/** Returns the address of a link if it is one that a person may follow; null for anything else, such as `javascript:`. */
const safeAddress = (href: string): string | null => {
  if (!URL.canParse(href)) return null;
  const { protocol } = new URL(href);
  return /^(https?|mailto):$/.test(protocol) ? href : null;
};

const Address = ({ href, children }: { readonly href: string; readonly children: ReactNode }) => {
  const address = safeAddress(href);
  return address === null ? (
    <span title={href}>{children}</span>
  ) : (
    <a href={address} target="_blank" rel="noreferrer noopener">
      {children}
    </a>
  );
};

const inline = (tokens: readonly Token[] | undefined): ReactNode =>
  tokens?.map((token, at) => {
    // the tokens of a text that is written have no other identity than their place
    const key = at;
    switch (token.type) {
      case 'strong':
        return <strong key={key}>{inline(token.tokens)}</strong>;
      case 'em':
        return <em key={key}>{inline(token.tokens)}</em>;
      case 'del':
        return <del key={key}>{inline(token.tokens)}</del>;
      case 'codespan':
        return <code key={key}>{(token as Tokens.Codespan).text}</code>;
      case 'br':
        return <br key={key} />;
      case 'link':
        return (
          <Address key={key} href={(token as Tokens.Link).href}>
            {inline(token.tokens)}
          </Address>
        );
      case 'image':
        // an image would be a request to another server: its address is shown instead
        return (
          <Address key={key} href={(token as Tokens.Image).href}>
            {`[image: ${(token as Tokens.Image).text || (token as Tokens.Image).href}]`}
          </Address>
        );
      case 'escape':
        return (token as Tokens.Escape).text;
      case 'text':
        return 'tokens' in token && token.tokens ? (
          <span key={key}>{inline(token.tokens)}</span>
        ) : (
          decoded((token as Tokens.Text).text)
        );
      default:
        // HTML is shown as it was written
        return token.raw;
    }
  });

const CodeBlock = ({ lang, text }: { readonly lang: string; readonly text: string }) => (
  <figure className={styles.code}>
    <figcaption>
      {lang || 'text'}
      <CopyButton text={() => text} name="Copy the code" />
    </figcaption>
    <ScrollText>
      <code>{text}</code>
    </ScrollText>
  </figure>
);

const cells = (row: readonly Tokens.TableCell[], Tag: 'th' | 'td') =>
  row.map(({ tokens, align }, at) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: a cell has no other identity than its column
    <Tag key={at} data-align={align ?? undefined}>
      {inline(tokens)}
    </Tag>
  ));

const block = (token: Token, key: number): ReactNode => {
  switch (token.type) {
    case 'heading': {
      const { depth, tokens } = token as Tokens.Heading;
      // the page has the first two levels
      const Tag = (['h3', 'h4', 'h5', 'h6'] as const)[Math.min(depth, 4) - 1] ?? 'h6';
      return (
        <Tag key={key} data-depth={depth}>
          {inline(tokens)}
        </Tag>
      );
    }
    case 'paragraph':
      return <p key={key}>{inline(token.tokens)}</p>;
    case 'text':
      return (
        <span key={key}>{token.tokens ? inline(token.tokens) : decoded((token as Tokens.Text).text)}</span>
      );
    case 'code': {
      const { lang = '', text } = token as Tokens.Code;
      return <CodeBlock key={key} lang={lang} text={text} />;
    }
    case 'blockquote':
      return <blockquote key={key}>{blocks(token.tokens)}</blockquote>;
    case 'list': {
      const { ordered, start, items } = token as Tokens.List;
      const content = items.map(({ task, checked, tokens }, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: an item has no other identity than its place
        <li key={at} className={task ? styles.task : undefined}>
          {task && (
            <input
              type="checkbox"
              checked={checked ?? false}
              disabled
              aria-label={checked ? 'done' : 'open'}
            />
          )}
          {blocks(tokens.filter(({ type }) => type !== 'checkbox'))}
        </li>
      ));
      return ordered ? (
        <ol key={key} start={Number(start) || 1}>
          {content}
        </ol>
      ) : (
        <ul key={key}>{content}</ul>
      );
    }
    case 'table': {
      const { header, rows } = token as Tokens.Table;
      return (
        <ScrollRegion key={key} className={styles.table} aria-label="Table">
          <table>
            <thead>
              <tr>{cells(header, 'th')}</tr>
            </thead>
            <tbody>
              {rows.map((row, at) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: a row has no other identity than its place
                <tr key={at}>{cells(row, 'td')}</tr>
              ))}
            </tbody>
          </table>
        </ScrollRegion>
      );
    }
    case 'hr':
      return <hr key={key} />;
    case 'space':
    case 'def':
      return null;
    default:
      return <p key={key}>{token.raw}</p>;
  }
};

const blocks = (tokens: readonly Token[] | undefined): ReactNode => tokens?.map(block);

/** A block of a text, and the place in the text where it begins. */
interface Placed {
  readonly at: number;
  readonly token: Token;
}

/** A block whose text does not change keeps its elements. */
const PlacedBlock = memo(({ token }: { readonly token: Token }) => block(token, 0));
PlacedBlock.displayName = 'PlacedBlock';

/**
 * Blocks that follow one another. A browser looks at each child of an element that grows, so a long text is divided into parts: a
 * piece at its end costs a look at the parts, and at the blocks of the last one.
 */
const Part = memo(({ part }: { readonly part: readonly Placed[] }) => (
  <div>
    {part.map(({ at, token }) => (
      <PlacedBlock key={at} token={token} />
    ))}
  </div>
));
Part.displayName = 'Part';

/** The number of blocks of a part. */
const PART_BLOCKS = 16;

interface Parsed {
  readonly text: string;
  /** The parts that later text cannot change. */
  readonly parts: readonly (readonly Placed[])[];
  /** The finished blocks after them: fewer than a part has. */
  readonly finished: readonly Placed[];
  /** The place after the finished blocks. */
  readonly from: number;
  /** The finished blocks and those that later text can change. */
  readonly last: readonly Placed[];
}

const NOTHING: Parsed = { text: '', parts: [], finished: [], from: 0, last: [] };

/** Parses a text again after more was added: only its last block is read again, since it alone can still change. */
const parseMore = (before: Parsed, text: string): Parsed => {
  const base = text.startsWith(before.text) ? before : NOTHING;
  const tokens = lexer(text.slice(base.from));
  const open = Math.max(
    0,
    tokens.findLastIndex(({ type }) => type !== 'space'),
  );
  const blocks: Placed[] = [...base.finished];
  let from = base.from;
  let end = base.from;
  for (const [index, token] of tokens.entries()) {
    if (index === open) from = end;
    blocks.push({ at: end, token });
    end += token.raw.length;
  }
  const count = base.finished.length + open;
  const whole = count - (count % PART_BLOCKS);
  const parts = [...base.parts];
  for (let at = 0; at < whole; at += PART_BLOCKS) parts.push(blocks.slice(at, at + PART_BLOCKS));
  return { text, parts, finished: blocks.slice(whole, count), from, last: blocks.slice(whole) };
};

/** Markdown as elements, without HTML. While text is added, finished blocks stay as they are. */
export const Markdown = memo(({ text }: { readonly text: string }) => {
  const parsed = useRef(NOTHING);
  if (parsed.current.text !== text) parsed.current = parseMore(parsed.current, text);
  const { parts, last } = parsed.current;
  return (
    <div className={styles.markdown}>
      {[...parts, last].map((part, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a part keeps its place
        <Part key={at} part={part} />
      ))}
    </div>
  );
});
Markdown.displayName = 'Markdown';
