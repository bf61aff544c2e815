/** Files that are read again without a restart. The children have no terminal, as the services of a supervisor. */
import { createHash } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { InputReceipt, Page, TranscriptItem } from '@worker-runtime/core';
import test from 'ava';
import { makePlace, Program, request, serve } from './program.ts';

const tokenOf = (name: string, permission = 'operate') => ({
  name,
  sha256: createHash('sha256').update(`canary-token-${name}`).digest('hex'),
  permission,
});
const as = (name: string) => ({ authorization: `Bearer canary-token-${name}` });

const scene = async (t: Parameters<typeof makePlace>[0], ...names: readonly string[]) => {
  const place = await makePlace(t);
  const path = join(place, 'tokens.json');
  /** Replaces the file at once, as an editor or a deployment does. */
  const write = async (content: string): Promise<void> => {
    await writeFile(`${path}.new`, content, { mode: 0o600 });
    await rename(`${path}.new`, path);
  };
  const writeTokens = (...tokens: readonly string[]) =>
    write(JSON.stringify(tokens.map((name) => tokenOf(name))));
  await writeTokens(...names);
  const args = ['--plugin', 'fs-store', '--plugin', 'echo', '--token-file', 'tokens.json'];
  const served = await serve(t, place, args);
  const statusFor = async (name: string): Promise<number> =>
    (await request(served.url, 'GET', '/workers', undefined, as(name))).status;
  return { ...served, place, write, writeTokens, statusFor };
};

test('P72: a token is added and removed on SIGHUP; the streams of the removed one end, and no others', async (t) => {
  const { program, url, writeTokens, statusFor } = await scene(t, 'ada', 'bob');
  await request(url, 'POST', '/workers', { engine: 'echo', workerId: 'w' }, as('ada'));
  const open = (name: string) =>
    fetch(`${url}/v1/runtimes/self/workers/w/events`, {
      headers: { ...as(name), accept: 'text/event-stream' },
    });
  const [ofAda, ofBob] = [await open('ada'), await open('bob')];
  t.is(await statusFor('cleo'), 401);
  await writeTokens('ada', 'cleo');
  program.kill('SIGHUP');
  t.regex(await ofBob.text(), /event: closing\ndata: .*AUTHORITY_EXPIRED/);
  t.deepEqual([await statusFor('ada'), await statusFor('bob'), await statusFor('cleo')], [200, 401, 200]);
  await request(url, 'POST', '/workers/w/inputs', { text: 'still here' }, as('ada'));
  program.kill('SIGTERM');
  const frames = await ofAda.text();
  t.regex(frames, /still here/);
  t.regex(frames, /event: closing\ndata: .*RUNTIME_STOPPING/);
  const { code, stderr } = await program.ended;
  t.is(code, 0);
  t.regex(stderr, /"added":\["cleo"\],"removed":\["bob"\]/);
  t.notRegex(stderr, /canary-token/);
});

test('P72: a token file that changes is read again without a signal', async (t) => {
  const { program, writeTokens, statusFor } = await scene(t, 'ada');
  await writeTokens('bob');
  await program.prints(/the tokens were read again/, 'stderr');
  t.deepEqual([await statusFor('ada'), await statusFor('bob')], [401, 200]);
});

test('P72: a file that is not valid leaves the old tokens, and the log names the file', async (t) => {
  const { program, write, writeTokens, statusFor } = await scene(t, 'ada');
  await write('[{ "name": "bob" ');
  program.kill('SIGHUP');
  const pattern =
    /"file":"[^"]*tokens\.json".*The file of http\.tokenFile is not valid JSON.*the tokens are unchanged/;
  await program.prints(pattern, 'stderr');
  t.is(await statusFor('ada'), 200);
  // another fault, which the server finds by itself: one line, although the signal and two looks find it
  await write('[{ "name": "bob", "permission": "obey" }]');
  program.kill('SIGHUP');
  await program.prints(/not valid at \/0/, 'stderr');
  await writeTokens('bob');
  program.kill('SIGHUP');
  await program.prints(/"added":\["bob"\]/, 'stderr');
  t.deepEqual([await statusFor('ada'), await statusFor('bob')], [401, 200]);
  program.kill('SIGTERM');
  const refusals = (await program.ended).stderr.split('\n').filter((line) => line.includes('are unchanged'));
  // a person reads the reason, and not where in the program it was found
  t.true(refusals.every((line) => /"code":"INVALID_REQUEST","reason":"The file of/.test(line)));
  t.false(refusals.join('').includes('stack'));
});

test('P72: SIGHUP under load loses no request, input or event', async (t) => {
  const { program, url, writeTokens } = await scene(t, 'ada');
  const workers = ['a', 'b', 'c', 'd'];
  const each = 25;
  for (const workerId of workers)
    await request(url, 'POST', '/workers', { engine: 'echo', workerId }, as('ada'));
  let isDone = false;
  const disturbed = (async () => {
    let count = 0;
    while (!isDone) {
      await writeTokens('ada', `other-${count++}`);
      program.kill('SIGHUP');
    }
    return count;
  })();
  await Promise.all(
    workers.map(async (workerId) => {
      for (let at = 0; at < each; at++) {
        const headers = { ...as('ada'), prefer: 'wait=20' };
        const body = { text: `input ${at}` };
        const answer = await request<InputReceipt>(url, 'POST', `/workers/${workerId}/inputs`, body, headers);
        t.deepEqual([answer.status, answer.body.run?.outcome], [200, 'completed']);
      }
    }),
  );
  isDone = true;
  t.true((await disturbed) > 0);
  for (const workerId of workers) {
    const path = `/workers/${workerId}/transcript?limit=1000`;
    const { body } = await request<Page<TranscriptItem>>(url, 'GET', path, undefined, as('ada'));
    t.is(body.items.length, 2 * each);
  }
  program.kill('SIGTERM');
  t.is((await program.ended).code, 0);
});

test('P72: a backend reads its policy again on SIGHUP, and keeps the old one if the file is not valid', async (t) => {
  const place = await makePlace(t);
  const path = join(place, 'policy.json');
  const write = (content: unknown) => writeFile(path, JSON.stringify(content), { mode: 0o644 });
  const grant = (may: string) => ({ grants: [{ to: ['*'], workspace: '*', may }] });
  await write(grant('admin'));
  const settings = {
    dataDir: 'files',
    policy: 'policy.json',
    workspaces: { default: { plugins: ['echo'] } },
  };
  await writeFile(join(place, 'backend.config.json'), JSON.stringify(settings));
  const program = new Program(t, place, ['backend', '--port', '0']);
  const [, url = ''] = await program.prints(/^worker-runtime backend listening on (http:\S+)/m);
  const { token } = JSON.parse(await readFile(join(place, 'files', 'backend', 'local.json'), 'utf8'));
  const create = async (): Promise<number> => {
    const headers = { authorization: `Bearer ${token}` };
    return (await request(url, 'POST', '/workers', { engine: 'echo' }, headers)).status;
  };
  const reads = async (content: unknown, line: RegExp): Promise<void> => {
    await write(content);
    program.kill('SIGHUP');
    await program.prints(line, 'stderr');
  };
  t.is(await create(), 201);
  await reads(grant('observe'), /policy\.json","rules":1,.*the rules of the policy were read again/);
  t.is(await create(), 403);
  await reads(
    grant('everything'),
    /"file":"[^"]*policy\.json".*\/grants\/0.*the rules of the policy are unchanged/,
  );
  t.is(await create(), 403);
  program.kill('SIGTERM');
  t.is((await program.ended).code, 0);
});
