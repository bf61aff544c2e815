import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { makePlace, run, serve } from './program.ts';

interface Pod {
  readonly ref: string;
  readonly state: string;
  readonly workerId: string | null;
}

const NAME = 'canary';

/** Creates the directories of two pods: one that never ran, and one that greets its clients and does nothing else. */
const makePods = async (t: ExecutionContext) => {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'lpc')));
  const [data, runtime] = [join(root, 'data'), join(root, 'run')];
  await mkdir(join(data, 'pods', 'idle'), { recursive: true });
  const metadata = { pod_name: 'idle', active: { session_id: '019efeaa-6380-7076-ac94-afb0c1d2e3f4' } };
  await writeFile(join(data, 'pods', 'idle', 'metadata.json'), JSON.stringify(metadata));
  await mkdir(join(runtime, NAME), { recursive: true, mode: 0o700 });
  const greeting = { pod_name: NAME, cwd: root, provider: 'x', model: 'some-model', tools: [] };
  const snapshot = JSON.stringify({ event: 'snapshot', data: { entries: [], greeting, status: 'idle' } });
  const server = createServer((socket) => {
    socket.on('error', () => {}).on('data', () => {});
    socket.write(`${snapshot}\n`);
  });
  await new Promise<void>((resolve) => server.listen(join(runtime, NAME, 'sock'), resolve));
  t.teardown(async () => {
    server.close();
    await rm(root, { recursive: true, force: true });
  });
  const options = [
    '--legacy-pod.command',
    'yoi',
    '--legacy-pod.dataDir',
    data,
    '--legacy-pod.runtimeDir',
    runtime,
  ];
  return { root, options };
};

test('P19: pods are listed and adopted through a server by references that reveal nothing', async (t) => {
  const place = await makePlace(t);
  const { root, options } = await makePods(t);
  const { url } = await serve(t, place, ['--plugin', 'legacy-pod', '--plugin', 'http', ...options]);
  const listed = await run(t, place, ['legacy', 'list', '--json', '--url', url]);
  t.is(listed.code, 0, listed.stderr);
  const { items } = JSON.parse(listed.stdout) as { readonly items: readonly Pod[] };
  t.deepEqual(items.map(({ state }) => state).sort(), ['live', 'not-restorable']);
  const live = items.find(({ state }) => state === 'live');
  const adopted = await run(t, place, [
    'legacy',
    'adopt',
    live?.ref ?? '',
    '--worker',
    'ada',
    '--json',
    '--url',
    url,
  ]);
  t.is(adopted.code, 0, adopted.stderr);
  t.is((JSON.parse(adopted.stdout) as { readonly workerId: string }).workerId, 'ada');
  const people = await run(t, place, ['legacy', 'list', '--url', url]);
  t.regex(people.stdout, /REFERENCE.*STATE/);
  t.regex(people.stdout, /ada/);
  const again = await run(t, place, ['legacy', 'adopt', live?.ref ?? '', '--url', url]);
  t.is(again.code, 4);
  t.regex(again.stderr, /CLAIM_CONFLICT/);
  const dead = items.find(({ state }) => state === 'not-restorable');
  const refused = await run(t, place, ['legacy', 'adopt', dead?.ref ?? '', '--url', url]);
  t.is(refused.code, 4);
  const path = await run(t, place, ['legacy', 'adopt', join(root, 'run', NAME, 'sock'), '--url', url]);
  t.is(path.code, 4);
  const shown = [listed, adopted, people, again, refused]
    .map(({ stdout, stderr }) => stdout + stderr)
    .join('');
  for (const secret of [NAME, root, '019efeaa']) t.false(shown.includes(secret), secret);
});

test('legacy list fails clearly if the runtime has no legacy-pod plugin', async (t) => {
  const place = await makePlace(t);
  const { url } = await serve(t, place, ['--plugin', 'http']);
  const { code, stderr } = await run(t, place, ['legacy', 'list', '--url', url]);
  t.is(code, 2);
  t.regex(stderr, /--plugin legacy-pod/);
});
