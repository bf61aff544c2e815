import test from 'ava';
import { missingTargets } from './command-targets.ts';
import { read } from './repository.ts';

test('all that CONTRIBUTING.md names in commands and code spans exists', (t) => {
  t.deepEqual(missingTargets(read('CONTRIBUTING.md')), []);
});

test('a missing file, title, script or program is found', (t) => {
  const page = [
    '```sh',
    'cd packages/core',
    "npx ava test/journal.test.ts --match='*cursor*'  # no such file",
    "npx ava test/claims.test.ts --match='P0: *'",
    'npm run absent',
    'npx absent',
    '```',
    'Sources are like `src/journal.ts`, see `npm run missing`.',
    '```sh',
    'cd nowhere && npm test',
    '.ci/absent',
    'absent --now',
    '```',
  ].join('\n');
  t.deepEqual(missingTargets(page), [
    'line 3: packages/core/test/journal.test.ts',
    'line 4: a test like "P0: *"',
    'line 5: the script "absent" in packages/core',
    'line 6: the program "absent"',
    'line 10: nowhere',
    'line 11: .ci/absent',
    'line 12: a rule for "absent" in .ci/command-targets.ts',
    'line 8: src/journal.ts',
    'line 8: the script "missing"',
  ]);
});

test('commands that work have nothing missing', (t) => {
  const page = [
    '```sh',
    'npm ci && npm test',
    'cd packages/core',
    "npx ava debug --port 9229 test/claims.test.ts --match='*P2: *' # waits",
    'npm run build',
    '```',
    'Read `.ci/import-rules.ts` and `src/index.ts`.',
    '```sh',
    'node --inspect packages/cli/bin/worker-runtime.js serve',
    '.ci/readme README.md',
    '```',
  ].join('\n');
  t.deepEqual(missingTargets(page), []);
});
