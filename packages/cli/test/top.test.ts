import { stripVTControlCharacters } from 'node:util';
import { inputText } from '@worker-runtime/core';
import test from 'ava';
import stringWidth from 'string-width';
import { runCommandLine } from '../src/command-line.ts';
import { serve, Typist } from './typist.ts';

const LOOK = { columns: 80, rows: 8 };

test('top shows all Workers live, waiting and running ones first, and acts on the selected one', async (t) => {
  const { engine, runtime, top } = await serve(t);
  engine.script = ({ input }) =>
    inputText(input) === 'hang' ? [{ type: 'gate', gate: 'never' }] : [{ type: 'text', text: 'ok' }];
  for (const workerId of ['bea', 'cleo']) await runtime.createWorker({ engine: 'scripted', workerId });
  const person = top(LOOK);
  await person.sees('3 Workers: 3 idle');
  await runtime.sendInput('bea', { text: 'hang' });
  await person.sees('3 Workers: 1 running, 2 idle');
  const lastScreen = (): string => person.seen.slice(person.seen.lastIndexOf('3 Workers'));
  t.regex(
    lastScreen(),
    /WORKER +STATUS +RUN FOR +WAITS FOR +ENGINE +NAME\nbea +running +\d+ s +engine, \d+ s +scripted/,
  );
  t.true(person.written.includes('\u001b[7mbea '), 'the first one is selected');

  person.presses('c');
  await person.seesLast('3 Workers: 3 idle');
  person.presses('\u001b[B\u001b[A');
  person.presses('s');
  await person.sees('? y confirms');
  person.presses('n');
  person.presses('s');
  person.presses('y');
  await person.seesLast('3 Workers: 2 idle, 1 stopped');
  // the selection stays with its Worker, which has moved
  person.presses('r');
  await person.seesLast('3 Workers: 3 idle');

  person.presses('\r');
  await person.sees('Ctrl-D leaves]');
  person.types('hello');
  await person.sees('assistant: ok');
  // leaving the conversation leads back to the list
  person.presses('\u0004');
  await person.seesLast('q leave');
  person.presses('q');
  t.is(await person.code, 0);
  t.true(person.written.endsWith('\u001b[?25h\u001b[?1049l'), 'the terminal is as before');
});

test('top needs a terminal, and says what programs use instead', async (t) => {
  const { url } = await serve(t);
  const remarks: string[] = [];
  const output = { print: () => t.fail(), remark: (text: string) => void remarks.push(text) };
  t.is(await runCommandLine(['top', '--url', url, '--json'], output), 2);
  t.regex(remarks.join(''), /workers list --json/);
  const pipe = new Typist(t, ['top', '--url', url], false);
  t.is(await pipe.code, 2);
});

test('top fits the screen with wide characters, and fills the line of the selected Worker', async (t) => {
  const { runtime, top } = await serve(t);
  const displayName = `${'東京の'.repeat(6)}\u{1f469}\u200d\u{1f680}`;
  await runtime.updateWorker('ada', { displayName });
  const person = top({ columns: 60, rows: 6 });
  await person.seesLast('東京');
  const screen = person.written.slice(person.written.lastIndexOf('\u001b[H'));
  const lines = stripVTControlCharacters(screen).split('\r\n');
  const [selected = ''] = lines.filter((line) => line.startsWith('ada '));
  t.is(stringWidth(selected), 60, selected);
  t.true(selected.trimEnd().endsWith('…'), selected);
  for (const line of lines) t.true(stringWidth(line) <= 60, line);
  person.presses('q');
  t.is(await person.code, 0);
});
