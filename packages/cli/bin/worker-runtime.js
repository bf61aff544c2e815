#!/usr/bin/env node
// A committed file that loads the program, because `npm ci` links a bin only if its file exists.
import { existsSync } from 'node:fs';
import * as module from 'node:module';

// published packages have the bundle, and a clone has the build
const program = ['../bundle/main.js', '../dist/main.js']
  .map((path) => new URL(path, import.meta.url))
  .find((url) => existsSync(url));
if (program !== undefined) {
  // Node keeps compiled code from version 22 on
  module.enableCompileCache?.();
  await import(program.href);
} else {
  console.error('worker-runtime is not built yet: run "npm run build" first.');
  process.exitCode = 1;
}
