import type { Token, Tokens } from 'marked';
import { type ComponentProps, memo, type ReactNode, useMemo, useRef } from 'react';
import { CopyButton } from '../parts/copyable.tsx';
import { ScrollRegion, ScrollText } from '../parts/scroll-region.tsx';
import { decoded } from './character-references.ts';
import styles from './markdown.module.css';
import { NOTHING, type Parsed, type Placed, parseMore } from './parsed.ts';

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

const CodeBlock = ({ lang, text }: { readonly lang: string; readonly text: string }) => {
  const code = useRef<HTMLElement>(null);
  return (
    <figure className={styles.code}>
      <figcaption>
        {lang || 'text'}
        {/* a text that grows is longer than the one of the last rendering */}
        <CopyButton text={() => code.current?.textContent ?? text} name="Copy the code" />
      </figcaption>
      <ScrollText>
        <code ref={code}>{text}</code>
      </ScrollText>
    </figure>
  );
};

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

/** The elements of a text. */
export const ParsedMarkdown = ({
  parsed: { parts, last },
  ...rest
}: { readonly parsed: Parsed } & Pick<ComponentProps<'div'>, 'ref'>) => (
  <div className={styles.markdown} {...rest}>
    {[...parts, last].map((part, at) => (
      // biome-ignore lint/suspicious/noArrayIndexKey: a part keeps its place
      <Part key={at} part={part} />
    ))}
  </div>
);

/** Markdown as elements, without HTML. */
export const Markdown = memo(({ text }: { readonly text: string }) => (
  <ParsedMarkdown parsed={useMemo(() => parseMore(NOTHING, text), [text])} />
));
Markdown.displayName = 'Markdown';
