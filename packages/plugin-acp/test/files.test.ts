import { mkdir, readFile, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { AgentScene } from './agent-scene.ts';

/** Opens a scene with a folder claimed for reading, one for writing, one not claimed, and links out of the claims. */
const openFolders = async (t: ExecutionContext) => {
  const scene = await AgentScene.open(t, { fileBytes: 1_024 });
  const at = (...parts: string[]): string => join(scene.folder, ...parts);
  for (const name of ['docs', 'work', 'secret']) {
    await mkdir(at(name));
    await writeFile(at(name, 'a.txt'), `${name} one\ntwo\nthree`);
  }
  await writeFile(at('docs', 'large.txt'), 'x'.repeat(2_000));
  await symlink(at('secret'), at('work', 'way-out'));
  await symlink(at('secret', 'a.txt'), at('work', 'link'));
  await symlink(at('secret', 'new.txt'), at('work', 'dangling'));
  await mkdir(at('work-not'));
  await writeFile(at('work-not', 'a.txt'), 'a folder whose name has the same beginning');
  const workerId = await scene.create({
    claims: [
      { name: 'project', resource: `fs:${at('work')}`, mode: 'write' },
      { name: 'docs', resource: `fs:${at('docs')}`, mode: 'read' },
    ],
  });
  const answer = async (text: string): Promise<string> => {
    await scene.run(workerId, text);
    return ((await scene.transcript(workerId)).at(-1) ?? '').replace('assistant: ', '');
  };
  return { scene, at, answer, workerId };
};

test('P19: an agent reads and writes files through the runtime only inside the claims of its Worker', async (t) => {
  const { scene, at, answer } = await openFolders(t);
  t.is(await answer(`read ${at('docs', 'a.txt')}`), 'docs one\ntwo\nthree');
  t.is(await answer(`read ${at('work', 'a.txt')}`), 'work one\ntwo\nthree');
  t.is(await answer(`write ${at('work', 'new.txt')} hi`), 'written');
  t.is(await readFile(at('work', 'new.txt'), 'utf8'), 'hi');
  for (const refused of [
    `read ${at('secret', 'a.txt')}`,
    `read ${at('work', 'way-out', 'a.txt')}`,
    `read ${at('work', 'link')}`,
    `read ${at('work', '..', 'secret', 'a.txt')}`,
    `read ${at('work-not', 'a.txt')}`,
    `read ${at('docs')}`,
    `read ${at('docs', 'large.txt')}`,
    `read ${at('docs', 'not-there')}`,
    'read a.txt',
    `write ${at('docs', 'a.txt')} no`,
    `write ${at('secret', 'a.txt')} no`,
    `write ${at('work', 'way-out', 'a.txt')} no`,
    `write ${at('work', 'link')} no`,
    `write ${at('work', 'dangling')} no`,
    `write ${at('work', 'big.txt')} ${'x'.repeat(1_025)}`,
  ])
    t.regex(await answer(refused), /^refused: /, refused);
  t.is(await readFile(at('secret', 'a.txt'), 'utf8'), 'secret one\ntwo\nthree');
  await t.throwsAsync(readFile(at('secret', 'new.txt')));
  const offered = scene.record().find((line) => line.startsWith('capabilities ')) ?? '';
  t.like(JSON.parse(offered.slice('capabilities '.length)), {
    fs: { readTextFile: true, writeTextFile: true },
    terminal: false,
  });
});

test('the working directory of an agent is the first claimed one, a configured one inside it, or one of its own', async (t) => {
  const { scene, at } = await openFolders(t);
  await mkdir(at('work', 'inner'));
  const claims = [{ name: 'project', resource: `fs:${at('work')}`, mode: 'read' as const }];
  await scene.create({ claims, config: { agent: 'fake', cwd: at('work', 'inner') } });
  const own = await scene.create();
  const directories = scene.record().flatMap((line) => (line.startsWith('new ') ? [line.slice(4)] : []));
  t.deepEqual(directories.slice(0, 2), [at('work'), at('work', 'inner')]);
  t.regex(directories[2] ?? '', /\/worker-/);
  await scene.runtime.stopWorker(own);
  await t.throwsAsync(
    readFile(directories[2] ?? ''),
    { code: 'ENOENT' },
    'the directory is removed when the agent has exited',
  );
  await symlink(at('secret'), directories[2] ?? '');
  await t.throwsAsync(
    scene.runtime.resumeWorker(own),
    { code: 'ENGINE_UNAVAILABLE' },
    'a link at its path is not followed',
  );
  await unlink(directories[2] ?? '');
  await mkdir(directories[2] ?? '');
  await scene.runtime.resumeWorker(own);
  for (const cwd of [at('secret'), at('work', 'way-out'), at('work', 'not-there')])
    await t.throwsAsync(scene.create({ claims, config: { agent: 'fake', cwd } }), {
      code: 'CONFIG_UNSUPPORTED',
    });
  for (const config of [
    { agent: 'other' },
    { agent: 'fake', command: 'sh' },
    { agent: 'fake', cwd: 'x' },
    {},
  ])
    await t.throwsAsync(scene.create({ config }), { code: 'CONFIG_UNSUPPORTED' });
});
