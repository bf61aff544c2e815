#!/usr/bin/env node
// Committed, unlike the build that it loads: `npm ci` links a bin only where its file is there.
import { existsSync } from 'node:fs';

const build = new URL('../dist/main.js', import.meta.url);
if (existsSync(build)) {
  await import(build.href);
} else {
  console.error('worker-runtime is not built yet: run "npm run build" first.');
  process.exitCode = 1;
}
