import { useEffect } from 'react';
import { setPageTitle } from './attention.ts';

/** Gives the tab the title of the page. */
export const useTitle = (title: string): void => useEffect(() => setPageTitle(title), [title]);
