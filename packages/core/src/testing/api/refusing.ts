import type { RuntimeApi } from '../../contracts/runtime-api.ts';
import type { Contract } from './contract.ts';
import { wrong } from './scene.ts';

type Call = (api: RuntimeApi, workerId: string) => Promise<unknown>;

const create =
  (request: unknown): Call =>
  (api) =>
    api.createWorker(wrong(request));
const input =
  (request: unknown): Call =>
  (api, workerId) =>
    api.sendInput(workerId, wrong(request));
const creation = (fields: object): Call => create({ engine: 'scripted', ...fields });
const HELLO = { text: 'hello' };
const first = <T>(stream: AsyncIterable<T>): Promise<unknown> => stream[Symbol.asyncIterator]().next();
const claim = { name: 'x', resource: 'fs:/x', mode: 'write' };

/** Invalid requests, each with the JSON pointer of the field that is invalid. */
const INVALID: readonly (readonly [pointer: string, call: Call])[] = [
  ['', create('text')],
  ['', create([])],
  ['', create(null)],
  ['/engine', create({})],
  ['/engine', create({ engine: '' })],
  ['/engine', create({ engine: 1 })],
  ['/engine', create({ engine: 'white space' })],
  ['/runtime', creation({ runtime: 'x' })],
  ['/displayRef', creation({ displayRef: 'x' })],
  ['/actor', creation({ actor: 'ada' })],
  ['/workerId', creation({ workerId: '' })],
  ['/workerId', creation({ workerId: '../escape' })],
  ['/workerId', creation({ workerId: '-x' })],
  ['/workerId', creation({ workerId: 'x'.repeat(129) })],
  ['/workerId', creation({ workerId: 7 })],
  ['/displayName', creation({ displayName: '' })],
  ['/displayName', creation({ displayName: 'lone \ud83d half' })],
  ['/displayName', creation({ displayName: 'x'.repeat(257) })],
  ['/labels', creation({ labels: [] })],
  ['/labels', creation({ labels: 'team=docs' })],
  ['/labels/team', creation({ labels: { team: 1 } })],
  ['/labels/a~1b~0c', creation({ labels: { 'a/b~c': null } })],
  [
    '/labels',
    creation({ labels: Object.fromEntries(Array.from({ length: 65 }, (_, at) => [`l${at}`, ''])) }),
  ],
  ['/parent', creation({ parent: 7 })],
  ['/parent', creation({ parent: 'absent' })],
  ['/bundle/digest', creation({ bundle: { id: 'x', digest: 'md5-x' } })],
  ['/bundle/id', creation({ bundle: { digest: `sha256-${'0'.repeat(64)}` } })],
  ['/bundle/path', creation({ bundle: { id: 'x', digest: `sha256-${'0'.repeat(64)}`, path: '/etc' } })],
  ['/profile', creation({ profile: 1 })],
  ['/config', creation({ config: [] })],
  ['/config', creation({ config: 'text' })],
  ['/tools', creation({ tools: 'read' })],
  ['/tools/1', creation({ tools: ['read', ''] })],
  ['/claims/0', creation({ claims: ['fs:/x'] })],
  ['/claims/0/mode', creation({ claims: [{ ...claim, mode: 'own' }] })],
  ['/claims/0/mode', creation({ claims: [{ name: 'x', resource: 'fs:/x' }] })],
  ['/claims/1/resource', creation({ claims: [claim, { ...claim, resource: '/etc/../passwd' }] })],
  ['/claims/0/resource', creation({ claims: [{ ...claim, resource: 'fs:/a/../b' }] })],
  ['/claims/0/resource', creation({ claims: [{ ...claim, resource: 'fs:a' }] })],
  ['/initialInput/text', creation({ initialInput: { text: '' } })],
  ['/initialInput/words', creation({ initialInput: { text: 'x', words: 1 } })],
  ['/initialInput', creation({ initialInput: 'hello' })],
  ['', input('hello')],
  ['', input(null)],
  ['/text', input({})],
  ['/text', input({ text: '' })],
  ['/text', input({ text: 1 })],
  ['/text', input({ text: 'lone \udc69 half' })],
  ['/text', input({ text: 'a', parts: [{ type: 'text', text: 'b' }] })],
  ['/words', input({ text: 'a', words: 1 })],
  ['/actor', input({ text: 'a', actor: 'ada' })],
  ['/parts', input({ parts: [] })],
  ['/parts', input({ parts: 'a' })],
  ['/parts/0/text', input({ parts: [{ type: 'text', text: '' }] })],
  ['/parts/0/text', input({ parts: [{ type: 'text' }] })],
  ['/parts/0/type', input({ parts: [{ type: 'image', text: 'x' }] })],
  ['/parts/0/url', input({ parts: [{ type: 'text', text: 'x', url: 'y' }] })],
  ['/role', input({ text: 'a', role: 'assistant' })],
  ['/whenBusy', input({ text: 'a', whenBusy: 'interrupt' })],
  ['/metadata', input({ text: 'a', metadata: [] })],
  ['/labels', (api, workerId) => api.updateWorker(workerId, wrong({ labels: null }))],
  ['/status', (api, workerId) => api.updateWorker(workerId, wrong({ status: 'stopped' }))],
  ['', (api, workerId) => api.updateWorker(workerId, wrong([]))],
  ['/deadlineMs', (api, workerId) => api.stopWorker(workerId, { deadlineMs: -1 })],
  ['/deadlineMs', (api, workerId) => api.stopWorker(workerId, { deadlineMs: 1.5 })],
  ['/deadlineMs', (api, workerId) => api.stopWorker(workerId, { deadlineMs: 1e12 })],
  ['/reason', (api, workerId) => api.stopWorker(workerId, wrong({ reason: 1 }))],
  ['/actor', (api, workerId) => api.updateWorker(workerId, wrong({ actor: 'ada' }))],
  ['/actor', (api, workerId) => api.stopWorker(workerId, wrong({ actor: 'ada' }))],
  ['/actor', (api, workerId) => api.cancelRun(workerId, wrong({ actor: 'ada' }))],
  ['/actor', (api, workerId) => api.resumeWorker(workerId, wrong({ actor: 'ada' }))],
  ['/actor', (api, workerId) => api.respond(workerId, 'request_x', wrong({ decision: 'yes', actor: 'ada' }))],
  ['/force', (api, workerId) => api.stopWorker(workerId, wrong({ force: true }))],
  ['/runId', (api, workerId) => api.cancelRun(workerId, { runId: '' })],
  ['/all', (api, workerId) => api.cancelRun(workerId, wrong({ all: true }))],
  ['/reason', (api, workerId) => api.resumeWorker(workerId, wrong({ reason: [] }))],
  ['/decision', (api, workerId) => api.respond(workerId, 'request_x', wrong({}))],
  ['/decision', (api, workerId) => api.respond(workerId, 'request_x', { decision: '' })],
  ['/note', (api, workerId) => api.respond(workerId, 'request_x', wrong({ decision: 'yes', note: 1 }))],
  ['/limit', (api, workerId) => api.events(workerId, { limit: 0 })],
  ['/limit', (api, workerId) => api.events(workerId, { limit: 1.5 })],
  ['/limit', (api, workerId) => api.transcript(workerId, { limit: -1 })],
  ['/limit', (api) => api.listWorkers({ limit: wrong('ten') })],
  ['/limit', (api) => api.diagnostics({ limit: 0 })],
  ['/limit', (api) => api.listBundles({ limit: 0 })],
  ['/status', (api) => api.listWorkers(wrong({ status: 'asleep' }))],
  ['/key', (api) => api.createWorker({ engine: 'scripted' }, wrong({ key: 'a' }))],
  ['/actors', (api, workerId) => api.forkWorker(workerId, {}, wrong({ actors: 'ada' }))],
  ['/idempotencykey', (api, workerId) => api.sendInput(workerId, HELLO, wrong({ idempotencykey: 'a' }))],
  ['/waitMS', (api, workerId) => api.sendInput(workerId, HELLO, wrong({ waitMS: 1, idempotencyKey: 'a' }))],
  ['/waitSeconds', (api, workerId) => api.waitForRun(workerId, 'run_x', wrong({ waitSeconds: 1 }))],
  ['/from', (api, workerId) => first(api.observe(workerId, wrong({ from: 'start' })))],
  ['/delta', (api, workerId) => first(api.observe(workerId, wrong({ after: 'start', delta: false })))],
  ['/since', (api) => first(api.watch(wrong({ since: 'start' })))],
];

export const refusingTests = (contract: Contract): void => {
  contract(
    'an invalid request is refused with a pointer to the field, and changes nothing',
    async (t, scene) => {
      const workerId = await scene.create();
      const before = await scene.api.getWorker(workerId);
      for (const [pointer, call] of INVALID) {
        const what = `${pointer} in ${call.toString()}`;
        const { issues } = await scene.refuses('INVALID_REQUEST', what, () => call(scene.api, workerId));
        const pointers = (issues as readonly { readonly pointer: string }[] | undefined)?.map(
          (issue) => issue.pointer,
        );
        t.true(pointers?.includes(pointer) === true, `${what}: ${JSON.stringify(pointers)}`);
      }
      for (const key of ['', 'x'.repeat(256)]) {
        await scene.refuses('INVALID_REQUEST', 'an idempotency key', () =>
          scene.api.sendInput(workerId, { text: 'hello' }, { idempotencyKey: key }),
        );
        await scene.refuses('INVALID_REQUEST', 'an idempotency key', () =>
          scene.api.createWorker({ engine: 'scripted' }, { idempotencyKey: key }),
        );
      }
      t.deepEqual(await scene.api.getWorker(workerId), before);
      t.is((await scene.api.listWorkers()).items.length, 1);
    },
  );

  contract('a payload above its limit is refused as PAYLOAD_TOO_LARGE', async (t, scene) => {
    const { limits } = await scene.api.summary();
    const workerId = await scene.create();
    const cases: readonly (readonly [keyof typeof limits, Call])[] = [
      ['inputBytes', input({ text: 'x'.repeat(limits.inputBytes + 1) })],
      ['metadataBytes', input({ text: 'x', metadata: { large: 'x'.repeat(limits.metadataBytes) } })],
      ['configBytes', creation({ config: { token: 'x'.repeat(limits.configBytes) } })],
      ['inputBytes', creation({ initialInput: { text: 'x'.repeat(limits.inputBytes + 1) } })],
    ];
    for (const [limit, call] of cases) {
      const details = await scene.refuses('PAYLOAD_TOO_LARGE', limit, () => call(scene.api, workerId));
      t.is(details.limit, limit);
      t.is(details.value, limits[limit]);
    }
    t.is((await scene.api.getWorker(workerId)).lastSeq, 2);
    t.is((await scene.api.listWorkers()).items.length, 1);
  });

  contract('an invalid Worker id is refused as WORKER_NOT_FOUND', async (_t, scene) => {
    for (const workerId of ['absent', 'x'.repeat(129), '..', '-x', 'constructor', '__proto__'])
      await scene.refuses('WORKER_NOT_FOUND', workerId, () => scene.api.getWorker(workerId));
  });
};
