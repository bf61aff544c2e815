import { keep, kept } from '../live/kept.ts';

export type Theme = 'system' | 'light' | 'dark';

const KEPT = 'theme';

export const currentTheme = (): Theme => {
  const chosen = kept(KEPT);
  return chosen === 'light' || chosen === 'dark' ? chosen : 'system';
};

/** Applies the theme that was chosen last, or another one, which is kept. */
export const applyTheme = (theme: Theme = currentTheme()): void => {
  keep(KEPT, theme === 'system' ? null : theme);
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
};
