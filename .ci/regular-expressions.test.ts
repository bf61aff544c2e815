import test from 'ava';
import { isQuadratic, literalsOf } from './regular-expressions.ts';
import { read, sources, workspaces } from './repository.ts';

/** The known patterns. The owner of each package replaces them, so this list only becomes shorter. */
const KNOWN: readonly string[] = [
  'packages/cli/src/acp/editor-sessions.ts: /(?!^)\\/+$/',
  'packages/cli/src/printable.ts: /\\s*\\r?\\n\\s*/',
  'packages/core/src/plugin-kit/bounded-output.ts: /\\uFFFD+$/',
  'packages/plugin-acp/src/worker/claimed-files.ts: /(?!^)\\/+$/',
  'packages/plugin-legacy-pod/src/log/pod-redactor.ts: /(?:\\b(?:pid|process)\\b["\']?[\\s:=#]{0,4})?\\S*$/',
  'packages/plugin-legacy-pod/src/log/pod-redactor.ts: /\\/+$/',
  'packages/plugin-legacy-pod/src/log/pod-redactor.ts: /\\d+$/',
  'packages/plugin-legacy-pod/src/options.ts: /(?!^)\\/+$/',
  'packages/plugin-legacy-pod/src/pod/startup-error.ts: /requested scope .* conflicts with pod /',
];

const patternsIn = (source: string): readonly string[] => literalsOf(source).map((literal) => literal.source);

test('P22: no source has a regular expression that takes quadratic time', (t) => {
  const found = workspaces()
    .filter(({ folder }) => folder.startsWith('packages/'))
    .flatMap(({ folder }) => sources(`${folder}/src`))
    // the reader of literals does not know JSX
    .filter((file) => !file.endsWith('.tsx'))
    .flatMap((file) =>
      literalsOf(read(file))
        .filter(isQuadratic)
        .map(({ source }) => `${file}: /${source}/`),
    );
  t.deepEqual(
    found.filter((offence) => !KNOWN.includes(offence)),
    [],
  );
});

test('the quadratic shapes are found', (t) => {
  for (const bad of [
    /\uFFFD+$/,
    /\s+$/,
    /(?!^)\/+$/,
    /[^\n]*;/,
    /\s*\r?\n\s*/,
    /(?:^|[,;])\s*wait\s*(?:=\s*x)?\s*(?:$|[,;])/,
    /^a\s*b?\s*c/,
    /^\w+\d*$/,
    /(?:key)?\S*$/,
    /"[^;]*;/,
    /\d{2,}$/,
    /(?:ab)+$/,
    /x|\s+$/,
    /\s+(?=\S)x/,
  ])
    t.true(isQuadratic(bad), bad.source);
});

test('other patterns are not refused', (t) => {
  for (const good of [
    /^\s*wait\s*$/,
    /^[a-z]+$/,
    /[A-Z]/g,
    /\S+/g,
    /-+(\w?)/g,
    /`([^`]+)`/g,
    /(?<!\s)\s+$/,
    /\s$/,
    /[0-9]{1,9}$/,
    /^bearer +([A-Za-z0-9._~+/-]+=*) *$/i,
    /^--(url|token)(?:=(.*))?$/s,
    /\s+$/y,
  ])
    t.false(isQuadratic(good), good.source);
});

test('regular expressions are found beside strings, comments, templates and divisions', (t) => {
  const source = [
    'const a = \'it is // no comment\' + "/x+$/";',
    '// /y+$/',
    '/* /z+$/ */ const b = 4 / 2 / 1;',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: this text is a source
    'const c = `/w+$/ ${a.replace(/in[/"]template+$/g, `${b / 2}`)} /v+$/`;',
    'const d = (b) / 2 / 1; return /returned$/i.test(a[0] / 1 / 2);',
  ].join('\n');
  t.deepEqual(patternsIn(source), ['in[/"]template+$', 'returned$']);
  t.deepEqual(
    literalsOf(source).map(({ line, flags }) => [line, flags]),
    [
      [4, 'g'],
      [5, 'i'],
    ],
  );
});
