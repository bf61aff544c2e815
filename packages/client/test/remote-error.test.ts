import { type ErrorCode, RuntimeError } from '@worker-runtime/core';
import test from 'ava';
import { RemoteError } from '../src/index.ts';
import { canned, problem } from './canned.ts';

test('core recognizes a RemoteError as a RuntimeError', (t) => {
  const error = new RemoteError('WORKER_BUSY', 'The Worker is busy', { details: { run: 'run_1' } });
  t.true(error instanceof RuntimeError);
  t.is<unknown, unknown>(RuntimeError.from(error), error);
  t.true(error instanceof RemoteError);
  t.false(new RuntimeError('WORKER_BUSY') instanceof RemoteError);
  t.deepEqual(Object.keys(error).toSorted(), [
    'code',
    'correlationId',
    'details',
    'name',
    'retryAfterMs',
    'retryable',
  ]);
});

test('a refusal of a served runtime is an instance of RuntimeError', async (t) => {
  const { api } = canned([problem('WORKER_NOT_FOUND', 404)]);
  await t.throwsAsync(api.getWorker('ada'), { instanceOf: RuntimeError, code: 'WORKER_NOT_FOUND' });
});

test('a RemoteError with a code that core does not know is not an instance of RuntimeError', (t) => {
  const error = new RemoteError('SOMETHING_NEWER' as ErrorCode, 'A newer runtime sent this');
  t.false(error instanceof RuntimeError);
  t.is(RuntimeError.from(error).code, 'INTERNAL');
});
