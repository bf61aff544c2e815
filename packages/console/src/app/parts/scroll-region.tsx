import type { ComponentProps } from 'react';

/** A part of the page that scrolls, which the keyboard can reach. It needs a name. */
export const ScrollRegion = ({ ...rest }: ComponentProps<'section'> & { readonly 'aria-label': string }) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard scrolls what has the focus
  <section tabIndex={0} {...rest} />
);

/** Text as it is, which scrolls in both directions. */
export const ScrollText = ({ children }: { readonly children: React.ReactNode }) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard scrolls what has the focus
  <pre tabIndex={0}>{children}</pre>
);
