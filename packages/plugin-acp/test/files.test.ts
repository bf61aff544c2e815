import { mkdir, mkdtemp, readFile, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
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
    _meta: { terminal_output: true, terminal_output_delta: true },
  });
});

test('a file that does not exist inside a claim is reported with the code that agents expect', async (t) => {
  const { at, answer } = await openFolders(t);
  for (const missing of [
    `read ${at('work', 'not-there')}`,
    `read ${at('docs', 'no', 'folder', 'not-there')}`,
    `write ${at('work', 'no', 'folder', 'not-there')} x`,
  ])
    t.regex(await answer(missing), /^refused: -32002 /, missing);
  t.regex(
    await answer(`read ${at('secret', 'not-there')}`),
    /^refused: -32602 /,
    'nothing is said of other files',
  );
});

test('an agent with files of its own is not offered any through the runtime', async (t) => {
  const scene = await AgentScene.open(t, { agent: { files: 'own' } });
  const workerId = await scene.create({
    claims: [{ name: 'project', resource: `fs:${scene.folder}`, mode: 'write' }],
  });
  await scene.run(workerId, `read ${join(scene.folder, 'record')}`);
  t.regex((await scene.transcript(workerId)).at(-1) ?? '', /refused: -32601 /);
  const offered = scene.record().find((line) => line.startsWith('capabilities ')) ?? '';
  t.like(JSON.parse(offered.slice('capabilities '.length)), {
    fs: { readTextFile: false, writeTextFile: false },
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

test('P19: a claim outside the roots of the operator is refused, and by default every claim to files is', async (t) => {
  const closed = await AgentScene.open(t, { roots: [] });
  const open = await AgentScene.open(t);
  const at = (...parts: string[]): string => join(open.folder, ...parts);
  await mkdir(at('inside'));
  await symlink('/etc', at('way-out'));
  await symlink(at('inside'), at('alias'));
  await symlink(at('not-there'), at('dangling'));
  const claim = (path: string) => ({
    claims: [{ name: 'project', resource: `fs:${path}`, mode: 'write' as const }],
  });
  const refusal = {
    code: 'CONFIG_UNSUPPORTED',
    message: 'The claim "project" is outside the directories that the operator allows (acp.roots)',
  };
  await t.throwsAsync(closed.create(claim(at('inside'))), refusal);
  for (const path of [
    '/',
    '/etc',
    '/proc',
    '/proc/self',
    '/dev/shm',
    open.folder.slice(0, -1),
    `${open.folder}-beside`,
    at('way-out'),
    at('way-out', 'not-there'),
    at('dangling'),
  ])
    await t.throwsAsync(open.create(claim(path)), refusal, path);
  t.deepEqual((await open.runtime.listWorkers()).items, []);
  await open.create(claim(at('alias')));
  await t.throwsAsync(
    open.create(claim(at('inside'))),
    { code: 'CLAIM_CONFLICT' },
    'two names of one directory',
  );
  await open.create({ claims: [{ name: 'other', resource: 'db:/somewhere', mode: 'write' }] });
  await closed.create();
});

test('P19: the system directories are never read through the runtime, even if a root contains them', async (t) => {
  const scene = await AgentScene.open(t, { roots: ['/'] });
  await symlink('/proc', join(scene.folder, 'elsewhere'));
  const workerId = await scene.create({ claims: [{ name: 'all', resource: 'fs:/', mode: 'write' }] });
  for (const path of [
    '/proc/self/environ',
    '/proc/version',
    '/sys/kernel/uevent_seqnum',
    '/dev/null',
    join(scene.folder, 'elsewhere', 'self', 'environ'),
    `${scene.folder}/../../../proc/self/environ`,
  ]) {
    await scene.run(workerId, `read ${path}`);
    t.regex((await scene.transcript(workerId)).at(-1) ?? '', /^assistant: refused: /, path);
  }
  await scene.run(workerId, `read ${join(scene.folder, 'record')}`);
  t.regex((await scene.transcript(workerId)).at(-1) ?? '', /^assistant: start /);
  for (const roots of [['/proc'], ['/srv', '/dev/shm'], ['relative'], 'x,y', [1]])
    await t.throwsAsync(AgentScene.open(t, { roots: roots as never }), { code: 'INVALID_REQUEST' });
});

test('P19: a claimed directory that is replaced by a link after the claim gives no access to the target', async (t) => {
  const { scene, at, answer, workerId } = await openFolders(t);
  await mkdir(at('outside'));
  await rename(at('work'), at('outside', 'work'));
  await symlink('/etc', at('work'));
  t.regex(await answer(`read ${at('work', 'hostname')}`), /^refused: /);
  t.regex(await answer('read /etc/hostname'), /^refused: /);
  t.regex(await answer(`write ${at('work', 'canary-4711')} x`), /^refused: /);
  await scene.runtime.stopWorker(workerId);
  await t.throwsAsync(scene.runtime.resumeWorker(workerId), { code: 'CONFIG_UNSUPPORTED' });
});

test('P19: an agent gets no variable that is not named, and variables from files are redacted', async (t) => {
  process.env.ACP_TEST_CANARY = 'canary-of-the-runtime';
  const folder = await mkdtemp(join(tmpdir(), 'acp-key-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'key'), 'key-of-the-file-4711\n', { mode: 0o600 });
  const scene = await AgentScene.open(t, { agent: { envFiles: { AGENT_KEY: join(folder, 'key') } } });
  const workerId = await scene.create();
  await scene.run(workerId, 'environment');
  const names = ((await scene.transcript(workerId)).at(-1) ?? '').replace('assistant: ', '').split(' ');
  t.true(names.includes('AGENT_KEY'));
  t.true(names.includes('PATH'));
  t.false(names.includes('ACP_TEST_CANARY'));
  const { requestId } = await scene.asked(workerId, 'reveal AGENT_KEY');
  await scene.runtime.respond(workerId, requestId, { decision: 'Allow [secret] in [directory]/notes.txt' });
  t.false(JSON.stringify(await scene.log(workerId)).includes('4711'));
});
