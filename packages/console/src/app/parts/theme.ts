export type Theme = 'system' | 'light' | 'dark';

const STORED = 'worker-runtime.theme';

export const currentTheme = (): Theme => {
  const stored = localStorage.getItem(STORED);
  return stored === 'light' || stored === 'dark' ? stored : 'system';
};

/** Applies the theme that was chosen last, or another one, which is kept. */
export const applyTheme = (theme: Theme = currentTheme()): void => {
  if (theme === 'system') {
    localStorage.removeItem(STORED);
    delete document.documentElement.dataset.theme;
  } else {
    localStorage.setItem(STORED, theme);
    document.documentElement.dataset.theme = theme;
  }
};
