import test from 'ava';
import { commandsOf, scripted } from './documented-commands.ts';

const page = [
  '# A page',
  '```sh',
  'npm ci     # once',
  '',
  '# a remark',
  "curl -d '{",
  '  "a": 1',
  "}' http://x",
  'echo a \\',
  '  b',
  'for i in 1 2; do',
  '  echo $i',
  'done',
  '```',
  '```console',
  '$ rm -rf /',
  '```',
  '````md',
  '```sh',
  '````',
  '  ```sh',
  '  npm start',
  '  ```',
].join('\n');

test('commands are read from sh blocks, with their lines', (t) => {
  t.deepEqual(
    commandsOf(page).map(({ line, text }) => [line, text.trim()]),
    [
      [3, 'npm ci     # once'],
      [6, `curl -d '{\n  "a": 1\n}' http://x`],
      [9, 'echo a \\\n  b'],
      [11, 'for i in 1 2; do\n  echo $i\ndone'],
      [22, 'npm start'],
    ],
  );
  t.throws(() => commandsOf("```sh\necho 'open\n```"), { instanceOf: SyntaxError, message: /^line 2:/ });
});

test('steps of CI are skipped, servers run in the background, and other commands are run', (t) => {
  const script = (text: string) => scripted('a.md', { line: 1, text });
  t.is(script('npm test   # ends with a sum'), "skip 'a.md:1' 'npm test'");
  t.is(script('npm start'), "serve 'a.md:1' 'npm start'");
  t.is(
    script('npx worker-runtime --plugin echo serve --port 0 &  # here'),
    "serve 'a.md:1' 'npx worker-runtime --plugin echo serve --port 0'",
  );
  t.is(script("echo 'it # is'"), "step 'a.md:1' 'echo '\\''it # is'\\'''\necho 'it # is'");
  t.is(script('npm testing'), "step 'a.md:1' 'npm testing'\nnpm testing");
});
