import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { makePlace, request, run, serve } from './program.ts';

const dir = ['--fs-store.dir', 'kept'];

test('P13: doctor reports each problem and its place, and repairs without deleting data', async (t) => {
  const place = await makePlace(t);
  const { code: none, stderr: noStore } = await run(t, place, ['doctor', ...dir]);
  t.is(none, 1);
  t.regex(
    noStore,
    /There is no store in the directory \(kept\); for another one, use --name or --fs-store\.dir$/m,
  );

  const { program, url } = await serve(t, place, ['--plugin', 'fs-store', '--plugin', 'echo', ...dir]);
  await request(url, 'POST', '/workers', { engine: 'echo', workerId: 'ada', initialInput: { text: 'hi' } });
  const { code: locked, stderr } = await run(t, place, ['doctor', ...dir]);
  t.is(locked, 1);
  t.regex(stderr, /STORE_LOCKED: .*; stop it first$/m);
  program.kill('SIGTERM');
  t.is((await program.ended).code, 0);

  const healthy = await run(t, place, ['doctor', ...dir]);
  t.is(healthy.code, 0, healthy.stdout + healthy.stderr);
  t.regex(healthy.stdout, /no problems found/);

  const [worker] = await readdir(join(place, 'kept', 'workers'));
  const events = join(place, 'kept', 'workers', worker ?? '', 'events.jsonl');
  const lines = await readFile(events, 'utf8');
  await writeFile(events, `${lines.slice(0, 40)}#####${lines.slice(45)}`);
  const damaged = await run(t, place, ['doctor', ...dir, '--json']);
  t.is(damaged.code, 1);
  const { findings } = JSON.parse(damaged.stdout) as {
    findings: { severity: string; workerId?: string; details?: { file?: string } }[];
  };
  t.like(
    findings.find(({ severity }) => severity === 'error'),
    { workerId: 'ada', details: { file: 'events' } },
  );
  t.false(damaged.stdout.includes('events.jsonl'));
  await run(t, place, ['doctor', ...dir, '--repair']);
  t.is((await readFile(events, 'utf8')).length, lines.length);
});

test('doctor examines the store that serve has with the same variables and settings file', async (t) => {
  const place = await makePlace(t);
  const examined = async (variables: Readonly<Record<string, string>>): Promise<string | undefined> =>
    /There is no store in the directory \((.*)\);/.exec(
      (await run(t, place, ['doctor'], variables)).stderr,
    )?.[1];
  t.is(await examined({ WORKER_RUNTIME_NAME: 'docs' }), join(place, 'data', 'worker-runtime', 'docs'));
  t.is(await examined({ WORKER_RUNTIME_FS_STORE_DIR: 'elsewhere' }), 'elsewhere');
  await writeFile(join(place, 'worker-runtime.config.json'), '{ "fs-store": { "dir": "in-the-file" } }');
  t.is(await examined({}), 'in-the-file');
});

test('doctor refuses plugin options other than --fs-store.dir', async (t) => {
  const place = await makePlace(t);
  const { code, stderr } = await run(t, place, ['doctor', '--fs-store.durability', 'commit']);
  t.is(code, 2);
  t.regex(stderr, /--fs-store\.dir/);
});
