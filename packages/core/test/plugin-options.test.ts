import test, { type ExecutionContext } from 'ava';
import { RuntimeError } from '../src/index.ts';
import {
  list,
  type OptionReader,
  object,
  oneOf,
  optional,
  readOptions,
  text,
  wholeNumber,
} from '../src/plugin-kit/index.ts';

const isLoud: OptionReader<boolean> = (value = false, refuse) =>
  typeof value === 'boolean' ? value : refuse('must be true or false');

const READERS = {
  file: text,
  flushMs: optional(wholeNumber(1, 60_000), 1_000),
  only: optional(list, null),
  format: optional(oneOf('json', 'text'), 'json'),
  isLoud,
};

/** Checks that options for the plugin `audit` are refused with this message, the option's name and the known names. */
const refused = (t: ExecutionContext, options: unknown, message: string, option?: string): void => {
  const error = t.throws(() => readOptions('audit', options, READERS), { instanceOf: RuntimeError, message });
  t.is(error?.code, 'INVALID_REQUEST');
  t.deepEqual(error?.details, { ...(option && { option }), known: Object.keys(READERS) });
};

test('options are read by their types from flags or code, and a missing one has its default', (t) => {
  const { file, flushMs, only, format, isLoud } = readOptions(
    'audit',
    { file: 'a', only: undefined },
    READERS,
  );
  const typed: [string, number, readonly string[] | null, 'json' | 'text', boolean] = [
    file,
    flushMs,
    only,
    format,
    isLoud,
  ];
  t.deepEqual(typed, ['a', 1_000, null, 'json', false]);
  const flags = { file: 'a', flushMs: '0250', only: 'x, y,z', format: 'text', isLoud: true };
  t.deepEqual(readOptions('audit', flags, READERS), { ...flags, flushMs: 250, only: ['x', 'y', 'z'] });
  t.deepEqual(readOptions('none', {}, {}), {});
});

test('an object is read from code or from JSON text', (t) => {
  const read = (value: unknown) => readOptions('audit', { sinks: value }, { sinks: object }).sinks;
  for (const value of [{ a: { b: 1 } }, '{"a":{"b":1}}']) t.deepEqual(read(value), { a: { b: 1 } });
  for (const value of ['', '{', '[]', 'null', '1', [], null, 1, undefined])
    t.throws(() => read(value), { message: /audit\.sinks .*must be an object, or JSON text of one$/ });
});

test('an unknown, missing or invalid option is refused, and the message names it', (t) => {
  const known = 'file, flushMs, only, format, isLoud';
  refused(
    t,
    { file: 'a', flie: 1 },
    `The option audit.flie does not exist; the options are ${known}`,
    'flie',
  );
  refused(
    t,
    { file: 'a', toString: undefined },
    `The option audit.toString does not exist; the options are ${known}`,
    'toString',
  );
  refused(
    t,
    JSON.parse('{"__proto__":{"file":"a"}}'),
    `The option audit.__proto__ does not exist; the options are ${known}`,
    '__proto__',
  );
  for (const options of [{}, { file: undefined }, Object.create({ file: 'a' })])
    refused(t, options, 'The option audit.file is missing: it must be a non-empty string', 'file');
  for (const options of [undefined, null, 'file', 1, [], [['file', 'a']]])
    refused(t, options, 'The options of audit must be an object');
  for (const file of ['', 'a\0b', 1, null, ['a'], {}])
    refused(t, { file }, 'The option audit.file must be a non-empty string', 'file');
  for (const flushMs of [
    0,
    60_001,
    1.5,
    Number.NaN,
    2 ** 53,
    '',
    ' 1',
    '1e3',
    '-1',
    '0x1',
    'soon',
    '1'.repeat(17),
    true,
    null,
    [1],
  ])
    refused(
      t,
      { file: 'a', flushMs },
      'The option audit.flushMs must be a whole number from 1 to 60000',
      'flushMs',
    );
  for (const only of ['', 'x,,y', [''], [1], 1, true, null, {}])
    refused(t, { file: 'a', only }, 'The option audit.only must be a list of non-empty strings', 'only');
  for (const format of ['xml', '', true, null, ['json']])
    refused(t, { file: 'a', format }, 'The option audit.format must be one of: json, text', 'format');
  refused(t, { file: 'a', isLoud: 'yes' }, 'The option audit.isLoud must be true or false', 'isLoud');
  t.throws(() => readOptions('none', { any: 1 }, {}), {
    message: 'The option none.any does not exist; there are no options',
  });
});

test('the error of a nested option names the outer and the inner option', (t) => {
  const sink: OptionReader<{ readonly port: number }> = (value) =>
    readOptions('audit.sink', value, { port: wholeNumber(0) });
  t.deepEqual(readOptions('audit', { sink: { port: '0' } }, { sink }), { sink: { port: 0 } });
  for (const [given, message] of [
    [{ port: -1 }, 'The option audit.sink.port must be a whole number from 0 to 2147483647'],
    [{}, 'The option audit.sink.port is missing: it must be a whole number from 0 to 2147483647'],
    ['x', 'The options of audit.sink must be an object'],
  ] as const)
    t.throws(() => readOptions('audit', { sink: given }, { sink }), { code: 'INVALID_REQUEST', message });
});
