#!/usr/bin/env node
// A committed file that loads the program, because `npm ci` links a bin only if its file exists.
import { existsSync } from 'node:fs';
import * as module from 'node:module';

// an older version would fail with a syntax error somewhere in a library
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const isTooOld = major < 20 || (major === 20 && minor < 19);

// published packages have the bundle, and a clone has the build
const program = ['../bundle/main.js', '../dist/main.js']
  .map((path) => new URL(path, import.meta.url))
  .find((url) => existsSync(url));
if (isTooOld) {
  console.error(`worker-runtime needs Node 20.19 or newer, and this is Node ${process.versions.node}.`);
  process.exitCode = 1;
} else if (program !== undefined) {
  // Node keeps compiled code from version 22 on
  module.enableCompileCache?.();
  await import(program.href);
} else {
  console.error('worker-runtime is not built yet: run "npm run build" first.');
  process.exitCode = 1;
}
