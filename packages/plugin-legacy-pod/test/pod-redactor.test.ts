import test from 'ava';
import { PodRedactor, RedactedStream } from '../src/log/pod-redactor.ts';

const redactor = (): PodRedactor => {
  const created = new PodRedactor();
  created.addPaths(['/run/user/1000/yoi', '/home/dev/My Data/yoi']);
  created.addWorkspaces(['/home/dev/src/demo']);
  created.addWords(['demo', 'my pod', '019efea6-ba00-7a10-8c3e-4f5a6b7c8d9e']);
  return created;
};

const CASES: readonly (readonly [string, string])[] = [
  [
    'spawned pod `demo` listening on /run/user/1000/yoi/demo/sock',
    'spawned pod `[private]` listening on [private path]',
  ],
  ['/home/dev/My Data/yoi/pods/x.json, done', '[private path], done'],
  ['see /home/dev/src/demo/src/main.rs', 'see [workspace]/src/main.rs'],
  ['my pod and demonstration, redemo', '[private] and demonstration, redemo'],
  ['(pid 4242) {"pid":4141} process 77', '(pid [private]) {"pid":[private]} process [private]'],
  ['session 019efea6-ba00-7a10-8c3e-4f5a6b7c8d9e held', 'session [private] held'],
  ['elsewhere /var/tmp/zz/sock.', 'elsewhere [private path].'],
  ['nothing private here: 4242 apples', 'nothing private here: 4242 apples'],
];

test('P19: private text is replaced, and other text stays unchanged', (t) => {
  for (const [text, shown] of CASES) t.is(redactor().text(text), shown);
  t.deepEqual(redactor().json({ a: ['demo', 1, null], pid: 12, '/run/user/1000/yoi': true }), {
    a: ['[private]', 1, null],
    pid: '[private]',
    '[private path]': true,
  });
});

test('P19: text that arrives in pieces shows nothing private, for every size of the pieces', (t) => {
  for (const [text, shown] of CASES) {
    for (let size = 1; size <= text.length; size += 1) {
      const stream = new RedactedStream(redactor());
      let seen = '';
      for (let at = 0; at < text.length; at += size) seen += stream.push(text.slice(at, at + size));
      t.is(seen + stream.end(), shown, `in pieces of ${size}`);
    }
  }
});

test('ordinary text is shown as it arrives, except for the last word', (t) => {
  const stream = new RedactedStream(redactor());
  t.is(stream.push('Hello wor'), 'Hello ');
  t.is(stream.push('ld, how '), 'world, how ');
  t.is(stream.end(), '');
});

// A pattern that is tried at each character of each word takes minutes for this text.
test('P22: long words are streamed in linear time, and what may be private is still held back', (t) => {
  const stream = new RedactedStream(redactor());
  const word = `${'x'.repeat(8_000)} `;
  let shown = '';
  for (let at = 0; at < 2_000; at += 1) shown += stream.push(word);
  shown += stream.push('and pid');
  shown += stream.push(': ');
  shown += stream.push('42');
  t.is(shown.length, 2_000 * word.length + 'and '.length);
  t.is(stream.push('42 of /run/user/'), 'pid: [private] of ');
  t.is(stream.end(), '/run/user/');
});
