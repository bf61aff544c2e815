/** The codes of diagnostics, findings, notices and gaps. People meet them and search the pages for them. */
import test from 'ava';
import { ERROR_CODES } from '../packages/core/src/contracts/runtime-error.ts';
import { filesBelow } from './language.ts';
import { read, root, sources, workspaces } from './repository.ts';

/** The codes in a source that are no codes of errors, neither of the runtime nor of the system. */
const codesIn = (source: string): string[] =>
  [
    ...source.matchAll(
      /\b(?:code:|(?:notice|info|warning|problem)\((?:\s*'[a-z-]+',)?)\s*'([A-Z]+(?:_[A-Z]+)*)'/g,
    ),
  ]
    .map(([, code = '']) => code)
    .filter((code) => !(code in ERROR_CODES) && !/^E[A-Z]+$/.test(code));

test('a page explains each code of a diagnostic, a finding, a notice and a gap', (t) => {
  const pages = filesBelow(root)
    .map((path) => path.slice(root.length))
    .filter((path) => /^(?:docs\/[\w-]+|packages\/[\w-]+\/README)\.md$/.test(path))
    .map(read)
    .join('\n');
  const codes = workspaces()
    .filter(({ folder }) => folder.startsWith('packages/'))
    .flatMap(({ folder }) => sources(`${folder}/src`))
    .filter((file) => !file.includes('/src/testing/'))
    .flatMap((file) => codesIn(read(file)));
  t.true(codes.includes('EXECUTION_DETACHED') && codes.includes('POD_NEVER_RAN'));
  t.deepEqual(
    [...new Set(codes)].filter((code) => !new RegExp(`\\b${code}\\b`).test(pages)),
    [],
  );
});

test('codes are read from the members and calls that publish them', (t) => {
  t.deepEqual(
    codesIn(`report({ code: 'LATE_OUTPUT' }); problem('corrupt', 'POD_NEVER_RAN', 'x'); warning(
      'REFUSED'); throw new RuntimeError('INTERNAL'); ({ code: 'ENOENT' }, { code: 'STORE_FULL' });`),
    ['LATE_OUTPUT', 'POD_NEVER_RAN', 'REFUSED'],
  );
});
