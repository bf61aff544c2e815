import { createRef, useState, useSyncExternalStore } from 'react';
import type { Source } from '../live/source.ts';
import { growthBetween } from './growth.ts';
import { ParsedMarkdown } from './markdown.tsx';
import { NOTHING, type Parsed, parseMore } from './parsed.ts';

/** Returns the last text in an element, or null. */
const lastText = (element: Element | null): Text | null => {
  let node: Node | null = element;
  while (node?.lastChild) node = node.lastChild;
  return node instanceof Text ? node : null;
};

/**
 * A text that grows, on the page. Most pieces only make its last text longer. Such a piece is appended to the node: React renders nothing, a
 * browser shapes the added words only, and a selection in the paragraph stays. Everything else is rendered.
 */
class Growing {
  readonly element = createRef<HTMLDivElement>();
  readonly #text: Source<string>;
  readonly #from: number;
  /** As React renders it. */
  #rendered: Parsed;
  /** As it is on the page: as rendered, with the characters that were appended to the last text. */
  #shown: Parsed;
  #appended = 0;

  constructor(text: Source<string>, from: number) {
    this.#text = text;
    this.#from = from;
    this.#rendered = parseMore(NOTHING, text.get().slice(from));
    this.#shown = this.#rendered;
  }

  readonly get = (): Parsed => this.#rendered;

  readonly subscribe = (listener: () => void): (() => void) => {
    const follow = (): void => {
      if (!this.#grow()) listener();
    };
    const stop = this.#text.subscribe(follow);
    // more may have arrived since the first rendering
    follow();
    return stop;
  };

  /** Shows the text of now. Returns false if it has to be rendered for that. */
  #grow(): boolean {
    const before = this.#shown;
    this.#shown = parseMore(before, this.#text.get().slice(this.#from));
    if (this.#shown === before) return true;
    const growth = growthBetween(before, this.#shown);
    const node = growth === null ? null : lastText(this.element.current);
    if (growth !== null && node !== null) {
      node.appendData(growth);
      this.#appended += growth.length;
      return true;
    }
    this.#restore();
    this.#rendered = this.#shown;
    return false;
  }

  /** Makes the page as React rendered it. React does not write a text that is the same in two renderings. */
  #restore(): void {
    const node = this.#appended === 0 ? null : lastText(this.element.current);
    node?.deleteData(node.length - this.#appended, this.#appended);
    this.#appended = 0;
  }
}

/** The Markdown of a text while it is written, from a place in it on. Both must stay the same. */
export const GrowingMarkdown = ({ text, from }: { readonly text: Source<string>; readonly from: number }) => {
  const [growing] = useState(() => new Growing(text, from));
  return (
    <ParsedMarkdown ref={growing.element} parsed={useSyncExternalStore(growing.subscribe, growing.get)} />
  );
};
