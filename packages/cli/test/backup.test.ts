import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { fill, inFolder, killWhen, shown } from './archives.ts';
import { assertBackupsSurviveCollections } from './collected-backups.ts';
import { assertKilledArchivingLosesNothing } from './killed-archiving.ts';
import { makePlace, Program, request, run, serve } from './program.ts';
import { idsAt, stopped } from './stopped-workers.ts';

const HOST = ['--url'];

/** Enough for an archive that is still being written when the kills come. */
const WORKERS = 16;

/** Sends inputs to Workers of a server until it is stopped, and counts those that were acknowledged. */
class Load {
  readonly acknowledged = new Map<string, number>();
  readonly #url: string;
  readonly #sending: Promise<unknown>;
  #isOver = false;

  constructor(url: string, workers: readonly string[]) {
    this.#url = url;
    this.#sending = Promise.all(workers.map((worker) => this.#send(worker)));
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#sending;
  }

  async #send(worker: string): Promise<void> {
    for (let number = 1; !this.#isOver; number += 1) {
      const text = `input ${number} of ${worker}`;
      const body = { text, whenBusy: 'queue' };
      // the server may be killed
      const answer = await request(this.#url, 'POST', `/workers/${worker}/inputs`, body).catch(() => null);
      if (answer === null) return;
      if (answer.status < 300) this.acknowledged.set(worker, number);
      else await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

const sizeOf = async (path: string): Promise<number> => (await stat(path).catch(() => ({ size: -1 }))).size;

const textsOf = async (url: string, worker: string): Promise<string> => {
  let text = '';
  for (let after: string | null = 'start'; after !== null; ) {
    const path: string = `/workers/${worker}/events?limit=1000&after=${after}`;
    const page: { items: unknown; next: string | null } = (
      await request<{ items: unknown; next: string | null }>(url, 'GET', path)
    ).body;
    text += JSON.stringify(page.items);
    after = page.next;
  }
  return text;
};

test('P75: a backup of a server under load survives a kill -9 of either side, and restores what was acknowledged', async (t) => {
  t.timeout(240_000);
  const place = await makePlace(t);
  await fill(join(place, 'live'), WORKERS, 400_000);
  const partial = join(place, 'monday.archive.partial');
  const workers = ['w0', 'w1', 'w2', 'w3'];

  const first = await serve(t, place, inFolder('live'));
  const firstLoad = new Load(first.url, workers);
  const cut = new Program(t, place, ['backup', 'monday.archive', ...HOST, first.url]);
  t.true(await killWhen(first.program, async () => (await sizeOf(partial)) >= 1_000_000, cut));
  const { code, stderr } = await cut.ended;
  t.is(code, 3, stderr);
  t.regex(
    stderr,
    /^worker-runtime: The archive ended early: the server has stopped, or its log has the reason \(/,
  );
  await firstLoad.stop();
  t.deepEqual(
    (await readdir(place)).filter((name) => name.includes('archive')),
    [],
  );

  const { url, runtimeId, program } = await serve(t, place, inFolder('live'));
  const load = new Load(url, workers);
  const killed = new Program(t, place, ['backup', 'monday.archive', ...HOST, url]);
  t.true(await killWhen(killed, async () => (await sizeOf(partial)) >= 2_000_000));
  t.false((await readdir(place)).includes('monday.archive'));

  const before = new Map(load.acknowledged);
  const done = await run(t, place, ['backup', 'monday.archive', ...HOST, url]);
  t.is(done.code, 0, done.stderr);
  t.true(done.stdout.startsWith(`monday.archive: ${WORKERS} Workers, `), done.stdout);
  const after = new Map(load.acknowledged);
  await load.stop();
  t.true(
    [...after].some(([worker, count]) => count > (before.get(worker) ?? 0)),
    'there was a load',
  );
  const twice = await run(t, place, ['backup', 'monday.archive', ...HOST, url]);
  t.regex(twice.stderr, /INVALID_REQUEST: The file of the archive exists already/);
  program.kill('SIGTERM');
  await program.ended;

  t.is((await run(t, place, ['restore', 'monday.archive', '--fs-store.dir', 'restored'])).code, 0);
  t.regex((await run(t, place, ['doctor', '--fs-store.dir', 'restored'])).stdout, /no problems found/);
  const restored = await serve(t, place, inFolder('restored'));
  t.is(restored.runtimeId, runtimeId);
  for (const worker of workers) {
    const texts = await textsOf(restored.url, worker);
    for (let number = 1; number <= (before.get(worker) ?? 0); number += 1)
      t.true(texts.includes(`"input ${number} of ${worker}"`), `input ${number} of ${worker}`);
  }
});

test('P76: only stopped Workers that a policy names go, each into a file from which it comes back', async (t) => {
  const place = await makePlace(t);
  const { url, program } = await serve(t, place, inFolder('live'));
  await stopped(t, url, ['old', 'older'], { team: 'docs' });
  await stopped(t, url, ['other'], { team: 'shop' });
  await request(url, 'POST', '/workers', { engine: 'echo', workerId: 'lives', labels: { team: 'docs' } });
  const archive = (...args: readonly string[]) =>
    run(t, place, ['workers', 'archive', ...args, '--to', 'archives', ...HOST, url]);
  const all = ['old', 'older', 'other', 'lives'];
  const none = await archive();
  t.is(none.code, 2);
  t.regex(none.stderr, /say which Workers go/);
  t.regex((await archive('--stopped-for', '90d')).stderr, /no stopped Worker fits/);
  t.regex((await archive('--stopped-for', 'soon')).stderr, /must be a number with s, m, h or d/);
  t.regex((await archive('lives')).stderr, /no stopped Worker that fits the options: lives/);
  t.regex((await archive('--label', 'team=docs', '--dry-run')).stdout, /^old: \d+ bytes, since .*\nolder: /);
  t.deepEqual(await idsAt(url), all);
  t.deepEqual(
    (await readdir(place)).filter((name) => name === 'archives'),
    [],
  );

  const gone = await archive('--label', 'team=docs', '--stopped-for', '0s', '--least-bytes', '100', '--json');
  t.is(gone.code, 0, gone.stderr);
  t.deepEqual(await idsAt(url), ['other', 'lives']);
  const files = gone.stdout
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { file: string }).file);
  t.is(files.length, 2);
  const verified = await run(t, place, ['verify', files[0] ?? '', '--json']);
  t.like(JSON.parse(verified.stdout), { content: 'worker', workers: 1 });
  const back = await run(t, place, ['workers', 'import', files[0] ?? '', ...HOST, url]);
  t.is(back.stdout.trim(), 'old is stopped', back.stderr);
  t.regex((await run(t, place, ['workers', 'import', files[0] ?? '', ...HOST, url])).stderr, /WORKER_EXISTS/);
  // it has another log now, so its former file is no archive of it
  t.is((await archive('old')).code, 0);
  t.deepEqual(await idsAt(url), ['other', 'lives']);
  t.is((await readdir(join(place, 'archives'))).length, 3);
  t.is((await run(t, place, ['workers', 'import', files[0] ?? '', ...HOST, url])).code, 0);
  program.kill('SIGTERM');
  await program.ended;
  const { events } = await shown(t, place, inFolder('live'));
  t.true(events.includes('hello old"') && !events.includes('hello older"'));
  // the server of this store is not running
  const importing = ['import', files[1] ?? '', '--fs-store.dir', 'live'];
  const added = await run(t, place, importing);
  t.regex(added.stdout, /^imported into runtime_\w+: 1 Worker, /, added.stderr);
  t.regex((await run(t, place, importing)).stderr, /WORKER_EXISTS/);
  t.regex((await run(t, place, [...importing, '--copy'])).stderr, /--copy is for the archive of a runtime/);
  t.true((await shown(t, place, inFolder('live'))).events.includes('hello older"'));
});

test('P76: a kill -9 of an archiving leaves each Worker in the runtime or in a whole file', (t) =>
  assertKilledArchivingLosesNothing(t, 5, [1, 3]));

test('a backup of a backend is for its own user on its machine, and for no token of a person', async (t) => {
  const place = await makePlace(t);
  const program = new Program(t, place, ['--plugin', 'echo', 'backend', '--port', '0']);
  const [, url = ''] = await program.prints(/^worker-runtime backend listening on (http:\S+) \(/m);
  const [, code = ''] = await program.prints(/^log in: \S+#(\S+)$/m);
  t.is((await run(t, place, ['workers', 'create', 'ada', '--engine', 'echo', '--url', url])).code, 0);
  await run(t, place, ['send', 'ada', 'hello', '--wait', '--url', url]);
  const done = await run(t, place, ['backup', 'a.archive', '--url', url]);
  t.regex(done.stdout, /^a\.archive: 1 Worker, /, done.stderr);

  const headers = { 'content-type': 'application/json' };
  const login = await fetch(`${url}/v1/session`, { method: 'POST', headers, body: JSON.stringify({ code }) });
  const cookie = login.headers.get('set-cookie')?.split(';', 1)[0] ?? '';
  const made = await fetch(`${url}/v1/tokens`, {
    method: 'POST',
    headers: { ...headers, cookie, origin: url },
    body: JSON.stringify({ name: 'operator', permission: 'admin' }),
  });
  const { token } = (await made.json()) as { token: string };
  const refused = await run(t, place, ['backup', 'b.archive', '--url', url, '--token', token]);
  t.regex(refused.stderr, /FORBIDDEN: An archive has the configs of Workers.* without a token/);
  t.is((await fetch(`${url}/v1/runtimes/self/x/archives`, { headers: { cookie } })).status, 403);

  await run(t, place, ['workers', 'stop', 'ada', '--url', url]);
  t.is((await run(t, place, ['workers', 'archive', 'ada', '--to', 'old', '--url', url])).code, 0);
  const [file = ''] = await readdir(join(place, 'old'));
  const back = await run(t, place, ['workers', 'import', join('old', file), '--url', url]);
  t.is(back.code, 0, back.stderr);
  t.regex((await run(t, place, ['workers', 'show', 'ada', '--url', url])).stdout, /status +stopped/);
  const asPerson = ['workers', 'import', join('old', file), '--url', url, '--token', token];
  t.regex((await run(t, place, asPerson)).stderr, /FORBIDDEN: An archive has the configs of Workers/);
  program.kill('SIGTERM');
  t.is((await program.ended).code, 0);
  t.is((await run(t, place, ['restore', 'a.archive', '--fs-store.dir', 'restored'])).code, 0);
  t.regex((await shown(t, place, inFolder('restored'))).events, /hello/);
});

test('P75: a backup is whole although the garbage collector runs at every moment of it', (t) =>
  assertBackupsSurviveCollections(t, 1));
