/** The companion: a Worker without tools, found again at each start. */
import type { RuntimePlugin } from '@worker-runtime/core';
import { engine } from '@worker-runtime/core';
import test from 'ava';
import { Browser, makeFolder, parrot, start } from './scene.ts';

const capable = (name: string, capabilities: object): RuntimePlugin => ({
  name,
  apply: (host) => host.useEngine(engine(name, async function* () {}, capabilities)),
});

test('P36: the companion is the same Worker after three restarts, with its conversation', async (t) => {
  const folder = await makeFolder(t);
  const config = { workspaces: { default: { companion: { engine: 'parrot', displayName: 'Coco' } } } };
  let first: unknown;
  for (let round = 0; round < 3; round++) {
    const backend = await start(t, folder, config);
    const browser = await Browser.login(backend);
    const { companion } = (await browser.send('/v1/backend')).body;
    t.deepEqual(companion, { state: 'ready', workerId: 'companion', runtimeId: backend.runtime().runtimeId });
    const { createdAt, displayName } = await backend.runtime().getWorker('companion');
    first ??= createdAt;
    t.deepEqual([createdAt, displayName], [first, 'Coco']);
    await backend.runtime().sendInput('companion', { text: `round ${round}` }, { waitMs: 5_000 });
    const { items } = await backend.runtime().events('companion', { types: ['input.accepted'] });
    t.is(items.length, round + 1);
    await backend.stop();
  }
});

test('P37: an engine with tools or access is refused, and a companion that is there gets no tools', async (t) => {
  const folder = await makeFolder(t);
  const stateWith = async (name: string, plugins: readonly RuntimePlugin[]) => {
    const backend = await start(t, folder, {
      workspaces: { default: { plugins, companion: { engine: name } } },
    });
    const { companion } = (await (await Browser.login(backend)).send('/v1/backend')).body;
    return { backend, companion };
  };
  for (const [capabilities, reason] of [
    [{ tools: ['deploy'] }, /offers tools/],
    [{ access: { shell: true } }, /access to the machine/],
    [{ access: { filesystem: true } }, /access to the machine/],
  ] as const) {
    const { backend, companion } = await stateWith('armed', [capable('armed', capabilities)]);
    t.is(companion.state, 'none');
    t.regex(companion.reason, reason);
    await t.throwsAsync(backend.runtime().getWorker('companion'), { code: 'WORKER_NOT_FOUND' });
    // a caller cannot make one with tools either
    const refused = await (await Browser.login(backend)).send('/v1/runtimes/self/workers', 'POST', {
      workerId: 'companion',
      engine: 'armed',
      tools: ['deploy'],
    });
    t.true(['FORBIDDEN', 'TOOL_UNKNOWN'].includes(refused.body.code));
    await backend.stop();
  }
  const bare = await stateWith('later', [capable('later', {}), parrot()]);
  t.is(bare.companion.state, 'ready');
  await bare.backend.stop();
  // the same engine has tools now: the companion that exists is stopped
  const { backend, companion } = await stateWith('later', [capable('later', { tools: ['deploy'] })]);
  t.is(companion.state, 'none');
  const worker = await backend.runtime().getWorker('companion');
  t.is(worker.status, 'stopped');
  t.deepEqual(worker.capabilities.tools.available, []);
  const granted = await (await Browser.login(backend)).send('/v1/runtimes/self/workers/companion', 'PATCH', {
    tools: ['deploy'],
  });
  t.is(granted.body.code, 'FORBIDDEN');
  t.deepEqual((await backend.runtime().getWorker('companion')).tools, []);
});

test('without a companion the backend says why, and nothing answers in its place', async (t) => {
  const backend = await start(t, await makeFolder(t), {
    workspaces: {
      default: {},
      acme: { companion: { engine: 'nowhere' } },
      taken: { companion: { engine: 'parrot' } },
    },
  });
  const browser = await Browser.login(backend);
  t.regex((await browser.send('/v1/backend')).body.companion.reason, /has no companion/);
  t.regex((await browser.send('/w/acme/v1/backend')).body.companion.reason, /no engine "nowhere"/);
  t.is((await browser.send('/w/acme/v1/runtimes/self/workers/companion')).body.code, 'WORKER_NOT_FOUND');
});
