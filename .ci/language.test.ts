import test from 'ava';
import { filesBelow, offencesIn } from './language.ts';
import { read, root } from './repository.ts';

const found = (content: string, path = 'packages/core/src/a.ts') =>
  offencesIn(path, content).map((offence) => offence.found);

test('every text of the repository follows the writing rule', (t) => {
  const offences = filesBelow(root)
    .map((path) => path.slice(root.length))
    .flatMap((path) => offencesIn(path, read(path)));
  t.deepEqual(
    offences.map(({ path, line, found: text, advice }) => `${path}:${line}: "${text}": ${advice}`),
    [],
  );
});

test('a doc comment begins with a verb or a noun phrase', (t) => {
  for (const bad of [
    '/** What a snapshot says. */',
    '/**\n * Whether the Worker is deleted.\n */',
    '/** Whoever asks first. */',
    '/** where a line begins */',
    '/** How an engine is attached. */',
    '/** When it was created. */',
    '/** Reads a line.\n * @returns whether there was one */',
  ])
    t.is(found(bad)[0] === undefined, false, bad);
  for (const good of [
    '/** Returns the state. */',
    '/** True if the Worker was deleted. */',
    '/** How many deletions are kept for watches. */',
    '/** `null` when the log is empty. */',
    '/** The position after the last line. It moves when a line is stored. */',
    '// when the sync fails, the outcome is unknown',
    '/* where a line begins */',
    "const pattern = '/** What it is */';",
  ])
    t.deepEqual(found(good), [], good);
});

test('a turn of phrase is found in comments, strings, titles and pages, also across a line break', (t) => {
  for (const bad of [
    '/** Notifies whoever listens. */',
    '// nobody reads this',
    '// the run was gone on\n  // with later',
    '/*\n * The append is told\n * to the readers.\n */',
    "throw new Error('Another run is on');",
    `log.warn(\`The execution \${id} was called off\`);`,
    'const giveUp = () => {};',
    'interface Options { told: () => void }',
    "const pattern = /'/; // anew",
    `const text = \`\${\`\${1}\`}\`; // anew`,
  ])
    t.true(found(bad).length > 0, bad);
  for (const good of [
    '/** Notifies every listener. */',
    '// reads `whatever` of http://whoever.example/whatever',
    '// the bytes are on the disk, and the reply is on its way',
    "import { whatever } from './whatever.ts';",
    "const kind = 'whatever';",
    'const whoever = 1 / 2 / 3;',
    'const half = /whatever (it) is/.test(name);',
    '// no more than ten',
  ])
    t.deepEqual(found(good), [], good);

  t.deepEqual(
    found('# A page\n\nIt was\ngiven up by `whoever`.\n\n```sh\necho whatever\n```\n', 'docs/a.md'),
    ['given up'],
  );
  t.deepEqual(found('```ts\n/** What it is. */\nconst a = 1;\n```\n', 'docs/a.md'), ['What it is.']);
  t.deepEqual(found('| was | on. |\n', 'docs/a.md'), [], 'cells are apart');
  t.deepEqual(found('#!/bin/sh\n# whatever it is\necho "nobody is here"\n', '.ci/a'), ['whatever']);
});

test('in a test, comments and titles are read, and other strings are data', (t) => {
  const path = 'packages/core/test/a.test.ts';
  t.deepEqual(found("test('P1, P2: whoever stops is answered', () => {});", path), [
    'whoever stops is answered',
    'whoever',
  ]);
  t.deepEqual(found("test('when the disk is full, an input is refused', () => {});", path), []);
  t.deepEqual(found("send('whatever it may be'); // just now", path), ['just now']);
});

test('an offence has the line on which it begins', (t) => {
  const [offence] = offencesIn('a.ts', 'const a = 1;\n\n/**\n * Reads it\n * anew.\n */\n');
  t.is(offence?.line, 5);
});
