import test from 'ava';
import { assertKilledForksAreWholeOrNothing } from './killed-forks.ts';
import { makePlace, request, run, serve } from './program.ts';

test('P86: a server that is killed while it forks has the whole fork or nothing of it', (t) =>
  assertKilledForksAreWholeOrNothing(t, [0.1, 0.4]));

test('P87: a list and a Worker say what is waited for, and since when', async (t) => {
  const place = await makePlace(t);
  const { url } = await serve(t, place, ['--plugin', 'echo']);
  const at = ['--url', url];
  const slow = '{"delayMs":60000}';
  await run(t, place, ['workers', 'create', 'ada', '--engine', 'echo', '--engine-config', slow, ...at]);
  await run(t, place, ['send', 'ada', 'one two', ...at]);
  await run(t, place, ['send', 'ada', 'three', '--queue', ...at]);
  const list = await run(t, place, ['workers', 'list', ...at]);
  t.regex(list.stdout, /WAITS FOR[\s\S]*running, 1 queued +\d+ s +engine, \d+ s/);
  const { stdout } = await run(t, place, ['workers', 'show', 'ada', ...at]);
  t.regex(stdout, /waits for +its engine, whose last output was \d+ s ago\n/);
  t.regex(stdout, /waits for +the end of run_\w+ \(1 queued\), which has been active for \d+ s\n/);
});

test('P86: a person forks a Worker from an event, and sees where it is from', async (t) => {
  const place = await makePlace(t);
  const { url } = await serve(t, place, ['--plugin', 'echo']);
  const at = ['--url', url];
  await run(t, place, ['workers', 'create', 'ada', '--engine', 'echo', '--label', 'team=docs', ...at]);
  await run(t, place, ['send', 'ada', 'one', '--wait', ...at]);
  const { lastSeq } = (await request<{ lastSeq: number }>(url, 'GET', '/workers/ada')).body;
  await run(t, place, ['send', 'ada', 'two', '--wait', ...at]);
  const forked = await run(t, place, [
    'workers',
    'fork',
    'ada',
    '--at',
    String(lastSeq),
    '--as',
    'bob',
    ...at,
  ]);
  t.is(forked.stdout, `bob is idle, with the history of ada up to event ${lastSeq}\n`);
  const shown = await run(t, place, ['workers', 'show', 'bob', ...at]);
  t.regex(shown.stdout, new RegExp(`forked from +ada, after event ${lastSeq}\n`));
  await run(t, place, ['send', 'bob', 'three', '--wait', ...at]);
  const { stdout } = await run(t, place, ['transcript', 'bob', ...at]);
  t.true(stdout.includes('one') && stdout.includes('three') && !stdout.includes('two'), stdout);
  const json = await run(t, place, ['workers', 'fork', 'bob', '--display-name', 'Bob', '--json', ...at]);
  t.like(JSON.parse(json.stdout), { displayName: 'Bob', labels: { team: 'docs' } });
  const refused = await run(t, place, ['workers', 'fork', 'ada', '--at', '999', ...at]);
  t.regex(refused.stderr, /CURSOR_FOREIGN: The log has no event 999/);
});
