import type { JsonValue } from '@worker-runtime/core';
import { jsonText } from '@worker-runtime/core/views';
import { CopyButton } from '../parts/copyable.tsx';
import { inOrder } from '../parts/in-order.ts';
import { ScrollText } from '../parts/scroll-region.tsx';
import { LongText } from './long-text.tsx';
import styles from './value-view.module.css';

const SHOWN_CHARS = 6_000;

/** Returns a value as people read it: text as it is, anything else as JSON. */
const valueText = (value: JsonValue): string => (typeof value === 'string' ? value : jsonText(value));

/** A value of a tool, as text. */
export const ValueView = ({ title, value }: { readonly title: string; readonly value: JsonValue }) => {
  const text = valueText(value);
  return (
    <figure className={styles.value}>
      <figcaption>
        {inOrder(title)}
        <CopyButton text={() => text} name={`Copy: ${title}`} />
      </figcaption>
      <LongText text={text} limit={SHOWN_CHARS}>
        {(shown) => <ScrollText>{inOrder(shown)}</ScrollText>}
      </LongText>
    </figure>
  );
};
