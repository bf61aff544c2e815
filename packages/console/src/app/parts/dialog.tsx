import { useId, useLayoutEffect, useRef } from 'react';
import { Button } from './button.tsx';
import styles from './dialog.module.css';
import { X } from './icons.ts';

/** A modal dialog of the browser, which keeps the focus and closes with Escape, or with a button for people without that key. */
export const Dialog = ({
  title,
  isBare = false,
  onClose,
  children,
}: {
  readonly title: string;
  /** True for content that has its own heading. */
  readonly isBare?: boolean;
  readonly onClose: () => void;
  readonly children: React.ReactNode;
}) => {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  // while the dialog is in the document: only then its end gives the focus back
  useLayoutEffect(() => {
    const { current } = dialog;
    if (current && !current.open) current.showModal();
    return () => current?.close();
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes a dialog without a handler
    <dialog
      ref={dialog}
      className={`${styles.dialog} ${isBare ? styles.bare : ''}`}
      aria-labelledby={isBare ? undefined : id}
      aria-label={isBare ? title : undefined}
      onClose={onClose}
      onClick={(event) => {
        if (event.target === dialog.current) dialog.current?.close();
      }}
    >
      <div className={styles.content}>
        {!isBare && <h2 id={id}>{title}</h2>}
        {children}
        {!isBare && (
          <Button
            tone="quiet"
            isIcon
            className={styles.close}
            aria-label="Close"
            onClick={() => dialog.current?.close()}
          >
            <X size={16} aria-hidden />
          </Button>
        )}
      </div>
    </dialog>
  );
};
