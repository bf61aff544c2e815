import { readdir } from 'node:fs/promises';
import test from 'ava';
import { converse, inFolder } from './archives.ts';
import { assertKilledArchivingKeepsHistory } from './killed-histories.ts';
import { makePlace, request, run, serve } from './program.ts';

interface Found {
  readonly status: number;
  readonly body: {
    readonly code?: string;
    readonly details?: Record<string, unknown>;
    readonly items?: unknown;
  };
}

test('P16, P85: only history that the command names goes, into files that errors name', async (t) => {
  const place = await makePlace(t);
  let { url, program } = await serve(t, place, inFolder('live'));
  for (const worker of ['ada', 'bob']) await converse(url, worker, 10);
  const archive = (...args: readonly string[]) =>
    run(t, place, ['workers', 'archive', ...args, '--to', 'archives', '--url', url]);
  for (const [args, message] of [
    [['--history-before', 'soon'], /must be a number with s, m, h or d/],
    [['--history-before', '20'], /needs the ids of Workers/],
    [['--history-before', '0s', '--stopped-for', '1d'], /exclude each other/],
    [['ada', '--history-before', '0s', '--label', 'team=docs'], /not by both/],
  ] as const) {
    const refused = await archive(...args);
    t.is(refused.code, 2, refused.stderr);
    t.regex(refused.stderr, message);
  }
  t.regex((await archive('--history-before', '90d')).stderr, /no history fits/);
  t.regex((await archive('nobody', '--history-before', '0s')).stderr, /WORKER_NOT_FOUND/);
  const dry = await archive('ada', '--history-before', '20', '--dry-run');
  t.regex(dry.stdout, /^ada: 19 events up to 19 of \d{4}-.*, \d+ bytes\n$/, dry.stderr);
  t.false((await readdir(place)).includes('archives'));

  const gone = await archive('ada', '--history-before', '20', '--json');
  t.is(gone.code, 0, gone.stderr);
  const { file } = JSON.parse(gone.stdout) as { file: string };
  const name = file.slice(file.lastIndexOf('/') + 1);
  t.regex(name, /^ada\.log_\w+\.1-19\.archive$/);
  const verified = await run(t, place, ['verify', file, '--json']);
  t.like(JSON.parse(verified.stdout), { content: 'history', workers: 1, events: 19 });
  t.regex((await run(t, place, ['workers', 'import', file, '--url', url])).stderr, /cannot be put back/);

  const check = async (): Promise<void> => {
    const start: Found = await request(url, 'GET', '/workers/ada/events?after=start');
    t.deepEqual([start.status, start.body.code], [410, 'CURSOR_EXPIRED']);
    t.like(start.body.details, { firstSeq: 20, archive: name });
    t.false(JSON.stringify(start.body).includes(place), 'no path');
    const shown = await run(t, place, ['workers', 'show', 'ada', '--url', url]);
    t.regex(shown.stdout, new RegExp(`archived +events before 20, in ${name}`));
    t.regex(shown.stdout, /stored +[\d.]+ KiB of events, 0 bytes of files/);
    const events = await run(t, place, ['events', 'ada', '--after', 'start', '--url', url]);
    t.is(events.code, 4);
    t.regex(events.stderr, /CURSOR_EXPIRED: The events up to 19 are in the archive ada\.log_\w+/);
    // a person who names no position gets what is there, and where the rest is
    const listed = await run(t, place, ['events', 'ada', '--url', url]);
    t.is(listed.code, 0, listed.stderr);
    t.regex(listed.stdout, /^ +20 /);
    t.is(listed.stderr, `events before 20 are in the archive ${name}\n`);
    const rest = await run(t, place, ['events', 'ada', '--after', '@19', '--json', '--url', url]);
    t.is(rest.code, 0, rest.stderr);
    const overview = (await request<{ inputs: number }>(url, 'GET', '/workers/ada/overview')).body;
    t.is(overview.inputs, 10);
    const bob = await request<{ items: readonly { seq: number }[] }>(
      url,
      'GET',
      '/workers/bob/events?limit=5',
    );
    t.is(bob.body.items[0]?.seq, 1, 'no other Worker has lost anything');
  };
  await check();
  program.kill('SIGKILL');
  await program.ended;
  ({ url, program } = await serve(t, place, inFolder('live')));
  await check();
  const all = await archive('--history-before', '0s', '--label', 'team=docs');
  t.regex(all.stdout, /^ada: .*, now in .*\nbob: .*, now in .*\n$/, all.stderr);
  program.kill('SIGTERM');
  await program.ended;
  t.regex((await run(t, place, ['doctor', '--fs-store.dir', 'live'])).stdout, /no problems found/);

  // the rest moves with the runtime
  t.is((await run(t, place, ['export', 'moved.archive', '--fs-store.dir', 'live'])).code, 0);
  const imported = await run(t, place, ['import', 'moved.archive', '--fs-store.dir', 'moved']);
  t.is(imported.code, 0, imported.stderr);
  const moved = await serve(t, place, inFolder('moved'));
  const { body } = await request<{ archived: { archive: string } }>(moved.url, 'GET', '/workers/bob');
  t.regex(body.archived.archive, /^bob\.log_\w+\.1-\d+\.archive$/);
});

test('P85: a kill -9 leaves each event in the runtime or in a whole file that the runtime names', (t) =>
  assertKilledArchivingKeepsHistory(t, 5, [1, 3]));
