import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import './tokens.css';
import { backend } from './live/server.ts';
import { showAttention } from './parts/attention.ts';
import { notifyOfRequests } from './parts/notifications.ts';
import { applyTheme } from './parts/theme.ts';
import { router } from './router.tsx';

applyTheme();
void backend.refresh();
showAttention();
notifyOfRequests();
const root = document.getElementById('root');
if (root)
  createRoot(root).render(
    <StrictMode>
      <RouterProvider router={router} />
    </StrictMode>,
  );
