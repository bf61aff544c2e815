import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import './tokens.css';
import { backend } from './live/server.ts';
import { showAttention } from './parts/attention.ts';
import { keepFocus } from './parts/keep-focus.ts';
import { notifyOfRequests } from './parts/notifications.ts';
import { applyTheme } from './parts/theme.ts';
import { loadPages, router } from './router.tsx';

/** The time in which a first page loads what it shows, before it loads what others show. */
const FIRST_PAGE_MS = 2_000;

applyTheme();
void backend.refresh();
showAttention();
notifyOfRequests();
keepFocus();
setTimeout(() => void loadPages(), FIRST_PAGE_MS);
const root = document.getElementById('root');
if (root)
  createRoot(root).render(
    <StrictMode>
      <RouterProvider router={router} />
    </StrictMode>,
  );
