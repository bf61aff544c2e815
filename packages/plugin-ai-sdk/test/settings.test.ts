/** Wrong options and configs: each error names the place, and says what must be there. */
import { type ErrorCode, RuntimeError } from '@worker-runtime/core';
import test, { type ExecutionContext } from 'ava';
import { plugin } from '../src/index.ts';
import { workerConfig } from '../src/worker-config.ts';

const messageOf = (t: ExecutionContext, act: () => unknown, code: ErrorCode): string => {
  const error = t.throws(act, { instanceOf: RuntimeError });
  t.is(error.code, code);
  return error.message;
};

test('an option that is missing or wrong is refused with what it must be', (t) => {
  const cases: readonly [options: object, message: string][] = [
    [{}, 'The option ai-sdk.providers is missing: it must be an object'],
    [
      { providers: { a: { type: 'openai' } } },
      'The option ai-sdk.providers.a.type must be one of: openai-compatible, anthropic, embedded',
    ],
    [
      { providers: { 'a b': { type: 'anthropic' } } },
      'The option ai-sdk.providers.a b must have only letters, digits, ".", "_" and "-"',
    ],
    [
      { providers: { a: { type: 'anthropic', models: [] } } },
      'The option ai-sdk.providers.a.models must not be empty',
    ],
    [
      { providers: {}, retries: 11, nope: 1 },
      'The option ai-sdk.retries must be at most 10; ai-sdk.nope does not exist',
    ],
    [{ providers: {}, stallMs: 'x' }, 'The option ai-sdk.stallMs must be a number'],
  ];
  for (const [options, message] of cases)
    t.is(
      messageOf(t, () => plugin(options), 'INVALID_REQUEST'),
      message,
    );
});

test('a config of a Worker is refused with what each key must be', (t) => {
  const given = (config: object): string =>
    messageOf(
      t,
      () => workerConfig({ provider: 'a', model: 'm', ...config }, { a: { type: 'anthropic' } }),
      'CONFIG_UNSUPPORTED',
    );
  t.is(given({ model: 7 }), '/config/model must be a text');
  t.is(given({ model: '' }), '/config/model must not be empty');
  t.is(given({ settings: { topK: 1.5 } }), '/config/settings/topK must be a whole number');
  t.is(
    given({ settings: { stopSequences: Array(17).fill('a') } }),
    '/config/settings/stopSequences must have at most 16 items',
  );
  t.is(
    given({ context: { maxTokens: 500, whenFull: 'drop' } }),
    '/config/context/whenFull must be one of: fail, summarize',
  );
  t.is(
    given({ providerOptions: { thinking: { type: 'on' } } }).split(' must ')[0],
    '/config/providerOptions/thinking/type',
  );
});
