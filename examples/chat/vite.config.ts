import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
  root: `${import.meta.dirname}/page`,
  plugins: [react()],
  build: { outDir: '../dist', emptyOutDir: true, reportCompressedSize: false, chunkSizeWarningLimit: 1_000 },
});
