import test, { type ExecutionContext } from 'ava';
import type { WorkerEvent } from '../src/contracts/event.ts';
import type { ServedRuntime } from '../src/contracts/served-runtime.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import type { Runtime } from '../src/runtime/runtime.ts';
import { scoped } from '../src/scope/scoped.ts';
import { Puppet } from './fixtures/puppet.ts';
import { codeOf, logOf, makeRig, settle, shutDown, startRig } from './fixtures/rig.ts';

const QUESTION = { kind: 'question', prompt: 'Who?', options: ['me'] } as const;

/** Returns the callers that events of one type name. */
const actorsIn = (log: readonly WorkerEvent[], type: WorkerEvent['type']): readonly (string | undefined)[] =>
  log.flatMap((event) => (event.type === type ? [(event.data as { readonly actor?: string }).actor] : []));

const nameCallers = async (
  t: ExecutionContext,
  servedBy: (runtime: Runtime) => ServedRuntime,
): Promise<void> => {
  const committed: WorkerEvent[] = [];
  const { runtime: whole, puppet } = await startRig(t, {
    plugins: [
      {
        name: 'audit',
        apply: ({ hooks }) => hooks.committed.tap(({ events }) => void committed.push(...events)),
      },
    ],
  });
  const runtime = servedBy(whole);
  await runtime.createWorker(
    { workerId: 'w', engine: 'puppet', initialInput: { text: 'go' } },
    { actor: 'creator', idempotencyKey: 'k' },
  );
  await settle();
  const answer = puppet.last().run.ask(QUESTION);
  await settle();
  const [request] = (await runtime.listRequests('w')).items;
  await runtime.respond('w', request?.requestId ?? '', { decision: 'me' }, { actor: 'answerer' });
  t.deepEqual(await answer, { decision: 'me', by: 'client' }, 'the engine does not learn who answered');
  await runtime.cancelRun('w', { reason: 'enough' }, { actor: 'canceller' });
  await runtime.sendInput('w', { text: 'again' }, { actor: 'sender' });
  await settle();
  puppet.last().finish();
  await settle();
  await runtime.updateWorker('w', { displayName: 'new' }, { actor: 'editor' });
  await runtime.updateWorker('w', { displayName: 'new' }, { actor: 'unrecorded, since nothing changes' });
  for await (const item of puppet.context('w').history()) t.false('actor' in item, 'history is for engines');
  await runtime.stopWorker('w', { reason: 'a rest' }, { actor: 'stopper' });
  await runtime.resumeWorker('w', {}, { actor: 'resumer' });
  await runtime.stopWorker('w');
  const log = await logOf(whole, 'w');
  const expected: Partial<Record<WorkerEvent['type'], readonly (string | undefined)[]>> = {
    'worker.created': ['creator'],
    'input.accepted': ['creator', 'sender'],
    'request.resolved': ['answerer'],
    'run.finished': ['canceller', undefined],
    'worker.updated': ['editor'],
    'worker.stopped': ['stopper', undefined],
    'worker.resumed': ['resumer'],
  };
  for (const [type, actors] of Object.entries(expected))
    t.deepEqual(actorsIn(log, type as WorkerEvent['type']), actors, type);
  for (const event of log) if (!(event.type in expected)) t.false('actor' in event.data, event.type);
  t.deepEqual(
    (await runtime.transcript('w')).items.map(({ role, actor }) => [role, actor]),
    [
      ['user', 'creator'],
      ['system', 'canceller'],
      ['user', 'sender'],
    ],
  );
  t.false('actor' in (await runtime.getWorker('w')));
  await runtime.deleteWorker('w', { actor: 'remover' });
  t.deepEqual(actorsIn(committed, 'worker.deleted'), ['remover'], 'a plugin learns who deleted a Worker');
};

test('P60: the event of a command names its caller, and those of the runtime and of engines name none', (t) =>
  nameCallers(t, (runtime) => runtime));

test('P60: a scoped runtime passes the caller on with every command', (t) =>
  nameCallers(t, (runtime) => scoped(runtime, { permissions: ['admin'], workers: [{}], stamp: {} })));

test('P60: an answer that came while no execution was attached does not name its caller to the engine', async (t) => {
  const store = memoryStore();
  const capabilities = { placement: 'backendInternal', requests: true, continues: true } as const;
  const asking = new Puppet({ capabilities });
  const first = makeRig({ store, engines: [asking] });
  await first.runtime.start();
  await first.runtime.createWorker({
    workerId: 'w',
    engine: 'puppet',
    whenInterrupted: 'continue',
    initialInput: { text: 'go' },
  });
  await settle();
  void asking.last().run.ask(QUESTION);
  await settle();
  await shutDown(first);
  let attach = (): void => {};
  const attached = new Promise<void>((resolve) => {
    attach = resolve;
  });
  const puppet = new Puppet({ capabilities, onAttach: () => attached });
  const { runtime } = await startRig(t, { store, engines: [puppet] });
  await settle();
  const [request] = (await runtime.listRequests('w')).items;
  await runtime.respond('w', request?.requestId ?? '', { decision: 'me' }, { actor: 'ada' });
  attach();
  await settle(20);
  t.deepEqual(await puppet.last().run.ask(QUESTION), { decision: 'me', by: 'client' });
  t.deepEqual(actorsIn(await logOf(runtime, 'w'), 'request.resolved'), ['ada']);
});

test('P60: a name of a caller that is empty, too long or not printable is refused before anything happens', async (t) => {
  const { runtime } = await startRig(t);
  await runtime.createWorker({ workerId: 'w', engine: 'puppet' });
  const before = (await runtime.getWorker('w')).lastSeq;
  for (const actor of ['', 'x'.repeat(129), 'a\u001b[2J', 'a\nb', 'half \ud83d', 7 as never, null as never]) {
    const calls = [
      runtime.createWorker({ engine: 'puppet', workerId: 'other' }, { actor }),
      runtime.updateWorker('w', { displayName: 'x' }, { actor }),
      runtime.sendInput('w', { text: 'x' }, { actor }),
      runtime.cancelRun('w', {}, { actor }),
      runtime.respond('w', 'request_x', { decision: 'x' }, { actor }),
      runtime.resumeWorker('w', {}, { actor }),
      runtime.stopWorker('w', {}, { actor }),
      runtime.deleteWorker('w', { actor }),
    ];
    for (const call of calls) t.is(await codeOf(call), 'INVALID_REQUEST', JSON.stringify(actor));
  }
  t.is((await runtime.getWorker('w')).lastSeq, before);
  t.is((await runtime.listWorkers()).items.length, 1);
});
