import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type FilePart, type InputReceipt, Runtime } from '@worker-runtime/core';
import { http } from '@worker-runtime/plugin-http';
import test, { type ExecutionContext } from 'ava';
import { runCommandLine } from '../src/command-line.ts';
import { plugin } from '../src/echo.ts';
import { makePlace } from './program.ts';

const digestOf = (bytes: Uint8Array): string => `sha256-${createHash('sha256').update(bytes).digest('hex')}`;

/** Starts a runtime with the Worker `ada`, and returns a function that runs commands against it. */
const scene = async (t: ExecutionContext) => {
  const place = await makePlace(t);
  const web = http({ port: 0 });
  const runtime = await Runtime.start({ plugins: [web, plugin()] });
  t.teardown(() => runtime.stop());
  await runtime.createWorker({ workerId: 'ada', engine: 'echo' });
  const say = async (...args: readonly string[]) => {
    let stdout = '';
    let stderr = '';
    const code = await runCommandLine([...args, '--url', web.url], {
      print: (text) => {
        stdout += `${text}\n`;
      },
      remark: (text) => {
        stderr += `${text}\n`;
      },
    });
    return { code, stdout, stderr };
  };
  const file = async (name: string, content: Uint8Array | string): Promise<string> => {
    await writeFile(join(place, name), content);
    return join(place, name);
  };
  return { runtime, place, say, file };
};

test('send --file sends files whose types follow from their names, or else from their bytes', async (t) => {
  const { runtime, say, file } = await scene(t);
  const cases: readonly [name: string, content: Uint8Array | string, mediaType: string][] = [
    ['photo.PNG', Buffer.from([0x89, 0x50, 0, 1]), 'image/png'],
    ['notes.md', '# Notes', 'text/markdown'],
    ['main.rs', 'fn main() { /* ü */ }', 'text/plain'],
    ['Makefile', 'all:', 'text/plain'],
    ['core.dump', Buffer.from([0x61, 0, 0x62]), 'application/octet-stream'],
    ['latin', Buffer.from([0x66, 0xfc, 0x72]), 'application/octet-stream'],
  ];
  const paths: string[] = [];
  for (const [name, content] of cases) paths.push('--file', await file(name, content));
  const { code, stdout, stderr } = await say('send', 'ada', 'look', ...paths, '--wait', '20', '--json');
  t.is(code, 0, stderr);
  t.is((JSON.parse(stdout) as InputReceipt).run?.outcome, 'completed');
  const { items } = await runtime.transcript('ada');
  const expected = cases.map(([name, content, mediaType]): FilePart => {
    const bytes = Buffer.from(content as string);
    return { type: 'file', digest: digestOf(bytes), mediaType, sizeBytes: bytes.length, name };
  });
  t.deepEqual(items[0]?.parts as unknown, [{ type: 'text', text: 'look' }, ...expected]);
  const shown = await say('transcript', 'ada');
  for (const { name, digest } of expected) t.true(shown.stdout.includes(`[${name} ${digest}]`), name);
});

test('send --file with a path that cannot be read sends nothing, and uploads nothing', async (t) => {
  const { runtime, place, say, file } = await scene(t);
  const good = await file('good.txt', 'good');
  for (const bad of [join(place, 'gone.png'), place]) {
    const { code, stderr } = await say('send', 'ada', 'look', '--file', good, '--file', bad);
    t.is(code, 1);
    t.true(stderr.includes(`cannot read ${bad}: `), stderr);
  }
  const { items } = await runtime.events('ada');
  t.deepEqual(
    items.filter(({ type }) => type === 'file.stored' || type === 'input.accepted'),
    [],
  );
});

test('file writes the bytes to a new file, and never over an existing one', async (t) => {
  const { runtime, place, say, file } = await scene(t);
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, at) => at));
  const { digest } = await runtime.putFile('ada', bytes, { mediaType: 'image/png' });
  const target = join(place, 'chart.png');
  const { code, stdout, stderr } = await say('file', 'ada', digest, '--output', target);
  t.is(code, 0, stderr);
  t.is(stdout, `${target}: image/png, 256 bytes\n`);
  t.true((await readFile(target)).equals(bytes));
  const existing = await file('mine.txt', 'mine');
  const refused = await say('file', 'ada', digest, '--output', existing);
  t.is(refused.code, 1);
  t.regex(refused.stderr, /cannot write .*mine\.txt: it exists already/);
  t.is(await readFile(existing, 'utf8'), 'mine');
  const absent = join(place, 'absent.png');
  const unknown = await say('file', 'ada', digestOf(Buffer.from('other')), '--output', absent);
  t.is(unknown.code, 4);
  t.regex(unknown.stderr, /FILE_NOT_FOUND/);
  await t.throwsAsync(readFile(absent), { code: 'ENOENT' });
});
