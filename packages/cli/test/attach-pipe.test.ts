import { inputText, type Observation } from '@worker-runtime/core';
import test from 'ava';
import { ask, serve, Typist } from './typist.ts';

test('after a piped answer, attach waits for the run that continues with it', async (t) => {
  const { engine, runtime, pipe } = await serve(t);
  engine.script = ({ input }) => {
    return inputText(input) === 'go'
      ? [ask, { type: 'text', text: 'so it is' }]
      : [{ type: 'text', text: 'hello' }];
  };
  await runtime.sendInput('ada', { text: 'go' }, { waitMs: 10_000 });
  const program = pipe();
  program.types('1');
  program.types('hello after');
  t.is(await program.leaves(), 0);
  t.is(program.seen, '[answered: Yes]\nso it is\nhello\n');
});

test('a pipe fails as `send --wait` does if an input is refused, or a run fails or is cancelled', async (t) => {
  const { engine, runtime, pipe } = await serve(t);
  engine.script = () => [{ type: 'throw', error: new Error('private') }];
  const failed = pipe();
  failed.types('hello');
  t.is(await failed.leaves(), 1);
  t.regex(failed.remarks, /^worker-runtime: the run failed: ENGINE_FAILED: .+\n$/);

  engine.script = () => [
    { type: 'text', text: 'half' },
    { type: 'gate', gate: 'never' },
  ];
  const cancelled = pipe();
  cancelled.types('hello');
  await cancelled.sees('half');
  cancelled.interrupts();
  t.is(await cancelled.leaves(), 1);
  t.is(cancelled.seen, 'half […]\n[cancelled]\n');
  t.is(cancelled.remarks, 'worker-runtime: the run was cancelled\n');

  await runtime.stopWorker('ada');
  const refused = pipe();
  refused.types('hello');
  refused.types('hello again');
  t.is(await refused.leaves(), 4);
  t.is(refused.seen, '');
  t.regex(
    refused.remarks,
    /^worker-runtime: WORKER_STOPPED: [^\n]*; resume it with: worker-runtime workers resume ada\n$/,
  );
});

test('with --json, attach prints the stream as JSON lines', async (t) => {
  const { engine, pipe } = await serve(t);
  engine.script = () => [{ type: 'text', text: 'hi' }];
  const program = pipe('--json');
  program.types('hello');
  t.is(await program.leaves(), 0);
  const items = program.seen
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Observation);
  t.true(items.some((item) => item.type === 'event' && item.event.type === 'run.finished'));
  t.is(await new Typist(t, ['attach', 'nobody', '--url', 'http://127.0.0.1:1'], false).code, 3);
});
