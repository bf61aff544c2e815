import { useState } from 'react';
import { announce } from './announce.ts';
import styles from './copyable.module.css';
import { Check, Copy } from './icons.ts';
import { ScrollText } from './scroll-region.tsx';

const SHOWN_MS = 1_500;

/** Copies a text. The clipboard of the browser needs a secure context, so a selection is the fallback. */
const copy = async (text: string): Promise<void> => {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const before = document.activeElement;
  const area = document.createElement('textarea');
  area.value = text;
  // a dialog keeps the focus from what is outside of it
  (document.querySelector('dialog[open]') ?? document.body).append(area);
  area.select();
  document.execCommand('copy');
  area.remove();
  if (before instanceof HTMLElement) before.focus({ preventScroll: true });
};

export const CopyButton = ({ text, name }: { readonly text: () => string; readonly name: string }) => {
  const [isCopied, setCopied] = useState(false);
  return (
    <button
      type="button"
      className={styles.copy}
      aria-label={isCopied ? 'Copied' : name}
      title={name}
      onClick={() => {
        copy(text()).then(
          () => {
            announce('Copied');
            setCopied(true);
            setTimeout(() => setCopied(false), SHOWN_MS);
          },
          () => announce('The browser did not allow to copy'),
        );
      }}
    >
      {isCopied ? <Check size={14} aria-hidden /> : <Copy size={14} aria-hidden />}
    </button>
  );
};

/** A piece of code with a button that copies it. */
export const CodeSample = ({ title, code }: { readonly title: string; readonly code: string }) => (
  <figure className={styles.sample}>
    <figcaption>
      {title}
      <CopyButton text={() => code} name={`Copy: ${title}`} />
    </figcaption>
    <ScrollText>
      <code>{code}</code>
    </ScrollText>
  </figure>
);
