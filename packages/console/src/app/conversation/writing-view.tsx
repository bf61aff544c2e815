import { useSelected } from '../live/source.ts';
import type { WrittenMessage, WrittenPart } from '../live/writing.ts';
import styles from './block-view.module.css';
import { Reasoning } from './block-view.tsx';
import { GrowingMarkdown } from './growing-markdown.tsx';

/** The most characters that are shown of a text that is written, and the steps in which its beginning is left out. */
const WRITTEN_CHARS = 80_000;
const LEFT_OUT_CHARS = WRITTEN_CHARS / 2;

/** Returns the place from which a text is shown while it is written: people read its end. It moves in steps, to a paragraph. */
const shownFrom = (text: string): number => {
  if (text.length <= WRITTEN_CHARS) return 0;
  const from = Math.floor((text.length - LEFT_OUT_CHARS) / LEFT_OUT_CHARS) * LEFT_OUT_CHARS;
  const paragraph = text.indexOf('\n\n', from);
  return paragraph === -1 || paragraph > from + LEFT_OUT_CHARS / 2 ? from : paragraph + 2;
};

/** The end of a text that is written. */
const WrittenText = ({ part }: { readonly part: WrittenPart }) => {
  const from = useSelected(part, shownFrom);
  return (
    <>
      {from > 0 && (
        <p className={styles.partial}>The message is long: this is its end, until it is complete</p>
      )}
      <GrowingMarkdown key={from} text={part} from={from} />
    </>
  );
};

/** A message while it is written. */
export const WritingView = ({ message: { parts } }: { readonly message: WrittenMessage }) => (
  <div className={styles.block} data-kind="message" data-writing>
    <article className={styles.message} aria-label="Message in progress">
      {parts.map((part) =>
        part.type === 'reasoning' ? (
          <Reasoning key={part.id} title="Thinking…">
            <WrittenText part={part} />
          </Reasoning>
        ) : (
          <WrittenText key={part.id} part={part} />
        ),
      )}
    </article>
  </div>
);
