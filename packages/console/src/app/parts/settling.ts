import { type RefObject, useLayoutEffect } from 'react';

/** The time for which a person cannot know yet that an element is at another place. */
const SETTLING_MS = 400;

/** Elements that act for good. */
const GUARDED = '[data-open="true"]';

/**
 * Lets no press meet an open request that came to its place a moment ago, because the person aimed at what was there before. It marks each open
 * request that appears or moves while the content changes, and the style takes the pointer from its answers. Keys are not concerned: the focus
 * does not move with the content.
 */
export const useSettling = (container: RefObject<HTMLElement | null>, isThere = true): void =>
  useLayoutEffect(() => {
    const { current } = container;
    if (!isThere || current === null) return undefined;
    const places = new WeakMap<Element, number>();
    const timers = new Map<Element, ReturnType<typeof setTimeout>>();
    const observer = new ResizeObserver(() => {
      for (const element of current.querySelectorAll(GUARDED)) {
        const { top } = element.getBoundingClientRect();
        if (places.get(element) === top) continue;
        places.set(element, top);
        element.setAttribute('data-settling', '');
        clearTimeout(timers.get(element));
        const settle = (): void => {
          timers.delete(element);
          element.removeAttribute('data-settling');
        };
        timers.set(element, setTimeout(settle, SETTLING_MS));
      }
    });
    observer.observe(current);
    return () => {
      observer.disconnect();
      for (const timer of timers.values()) clearTimeout(timer);
    };
  }, [container, isThere]);
