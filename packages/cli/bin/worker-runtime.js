#!/usr/bin/env node
// A committed file that loads the build, because `npm ci` links a bin only if its file exists.
import { existsSync } from 'node:fs';

const build = new URL('../dist/main.js', import.meta.url);
if (existsSync(build)) {
  await import(build.href);
} else {
  console.error('worker-runtime is not built yet: run "npm run build" first.');
  process.exitCode = 1;
}
