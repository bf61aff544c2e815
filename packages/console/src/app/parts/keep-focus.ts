/** Elements that a person knows by a name or a role, so that the focus may go to them. */
const PLACES = '[tabindex], [aria-label], [aria-labelledby], main, dialog';

/** Attributes with which an element loses the focus while it stays in the document. */
const WITHDRAWING = ['disabled', 'hidden', 'inert', 'class', 'style'];

const pathOf = (element: Element): readonly Element[] => {
  const path: Element[] = [];
  for (let next: Element | null = element; next !== null; next = next.parentElement) path.push(next);
  return path;
};

const canHaveFocus = (element: Element): boolean =>
  element.isConnected &&
  !element.matches(':disabled') &&
  element.checkVisibility({ visibilityProperty: true });

/**
 * Keeps the focus near its place, from now on: if the element that has it is removed, hidden or disabled, the closest named
 * element around it gets the focus. A browser would give it to the document, where neither keys nor a screen reader know what the person did
 * last. It never goes to a button or a link beside it: a key that is pressed twice must not act on something else.
 */
export const keepFocus = (): void => {
  let path: readonly Element[] = [];
  addEventListener('focusin', ({ target }) => {
    if (target instanceof Element && target !== document.body) path = pathOf(target);
  });
  addEventListener('focusout', ({ target }) => {
    // a person who takes the focus away leaves an element that could keep it
    queueMicrotask(() => {
      if (document.activeElement === document.body && target === path[0] && path[0] && canHaveFocus(path[0]))
        path = [];
    });
  });
  new MutationObserver(() => {
    const [last, ...around] = path;
    if (last === undefined || document.activeElement !== document.body || canHaveFocus(last)) return;
    const place = around.find((element) => element.matches(PLACES) && canHaveFocus(element));
    if (!(place instanceof HTMLElement)) return;
    if (!place.hasAttribute('tabindex')) place.tabIndex = -1;
    place.focus({ preventScroll: true });
  }).observe(document.body, {
    subtree: true,
    childList: true,
    attributes: true,
    attributeFilter: WITHDRAWING,
  });
};
