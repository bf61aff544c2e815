import { useEffect, useRef } from 'react';

type Keys = Readonly<Record<string, (event: KeyboardEvent) => void>>;

const CHORD_MS = 1_000;

/** True if an element takes the key itself: a field takes all keys, and what can be activated takes Enter. */
const takes = (target: EventTarget | null, key: string): boolean =>
  target instanceof HTMLElement &&
  (target.isContentEditable ||
    target.matches('input:not([type="checkbox"]), textarea, select') ||
    (key === 'Enter' && target.matches('a, button, summary')));

const nameOf = ({ key, metaKey, ctrlKey }: KeyboardEvent): string =>
  `${metaKey || ctrlKey ? 'mod+' : ''}${key.length === 1 ? key.toLowerCase() : key}`;

/**
 * Handles keys while the component is shown: a key (`j`), a key with Ctrl or Command (`mod+k`), or two keys in a row
 * (`g i`). Keys without a modifier do nothing while a person writes, in a dialog or a menu, or if the element with the focus takes them.
 */
export const useKeys = (keys: Keys): void => {
  const current = useRef(keys);
  current.current = keys;
  useEffect(() => {
    let before: { readonly key: string; readonly at: number } | null = null;
    const onKeyDown = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || event.altKey) return;
      const name = nameOf(event);
      const isModified = name.startsWith('mod+');
      if (!isModified && (takes(event.target, name) || document.querySelector('dialog[open], :popover-open')))
        return;
      const chord = before && event.timeStamp - before.at < CHORD_MS ? `${before.key} ${name}` : name;
      before = { key: name, at: event.timeStamp };
      const handle = current.current[chord] ?? current.current[name];
      if (handle === undefined) return;
      event.preventDefault();
      handle(event);
    };
    addEventListener('keydown', onKeyDown);
    return () => removeEventListener('keydown', onKeyDown);
  }, []);
};
