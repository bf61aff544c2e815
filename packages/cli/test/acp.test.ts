/** Uses `worker-runtime acp` as an editor does, against a served runtime. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Editor } from './editor.ts';
import { makePlace, request, run, serve } from './program.ts';

/** An engine that asks for permission before it calls a tool. */
const ASKING = `
const run = async function* (run) {
  yield { type: 'tool-call', call: 'c1', name: 'open door', input: { key: 7 } };
  const { decision } = await run.ask({ kind: 'permission', prompt: 'Open the door?', options: ['Allow', { id: 'Always allow', label: 'Allow for this session' }, { id: 'Reject', kind: 'reject-once' }, { id: 'Sure', label: 'Sure', kind: 'allow-always' }] });
  yield decision === 'Allow'
    ? { type: 'tool-result', call: 'c1', output: { open: true } }
    : { type: 'tool-result', call: 'c1', error: 'stays shut' };
  if (decision === 'Reject') throw new Error('canary');
  yield { type: 'text', text: 'It is ' };
  yield { type: 'text', text: decision === 'Allow' ? 'open.' : 'shut.' };
  yield { type: 'message' };
};
const asking = { name: 'asking', capabilities: { requests: true }, attach: async () => ({ run, detach: async () => {} }) };
export const plugin = () => ({ name: 'asking', apply: (host) => host.useEngine(asking) });
`;

const scenery = async (t: ExecutionContext, ...args: readonly string[]) => {
  t.timeout(120_000);
  const place = await makePlace(t);
  await writeFile(join(place, 'asking.mjs'), ASKING);
  const { url } = await serve(t, place, ['--plugin', 'http', '--plugin', 'echo', '--plugin', './asking.mjs']);
  const editor = new Editor(t, place, ['--url', url, ...args]);
  await editor.open();
  return { place, url, editor };
};

test('an editor session is a Worker: it is prompted, streamed, remains after the editor quits, and is loaded by another', async (t) => {
  const { place, url, editor } = await scenery(t, '--engine', 'echo');
  const session = await editor.newSession(place);
  t.deepEqual(await editor.prompt(session, 'hello there'), { stopReason: 'end_turn' });
  await editor.receives('agent: hello there');
  t.deepEqual(editor.lines, ['agent: hello there']);
  t.is(await editor.quit(), 0);
  const { body } = await request<{ items: { workerId: string }[] }>(url, 'GET', '/workers');
  t.deepEqual(
    body.items.map(({ workerId }) => workerId),
    [session],
  );
  await request(url, 'POST', `/workers/${session}/stop`, {});

  const other = new Editor(t, place, ['--url', url, '--engine', 'echo']);
  await other.open();
  await other.load(session, place);
  await other.receives('agent: hello there');
  t.deepEqual(other.lines, ['user: hello there', 'agent: hello there']);
  t.deepEqual(await other.prompt(session, 'again'), { stopReason: 'end_turn' });
  await other.receives('agent: again');
  await t.throwsAsync(other.load('nobody', place), { message: /nobody|not found/i });
  t.is(await other.quit(), 0);
});

test('cancelling in the editor ends the run as cancelled', async (t) => {
  const { place, url, editor } = await scenery(t, '--engine', 'echo', '--engine-config', '{"hang":true}');
  const session = await editor.newSession(place);
  const answered = editor.prompt(session, 'wait');
  await editor.receives('agent: wait');
  await editor.cancel(session);
  t.deepEqual(await answered, { stopReason: 'cancelled' });
  t.is((await request<{ status: string }>(url, 'GET', `/workers/${session}`)).body.status, 'idle');
});

test('a second prompt in the editor is queued, and cancelling ends the one that is being worked on', async (t) => {
  const { place, editor } = await scenery(t, '--engine', 'echo', '--engine-config', '{"hang":true}');
  const session = await editor.newSession(place);
  const first = editor.prompt(session, 'one');
  await editor.receives('agent: one');
  const second = editor.prompt(session, 'two');
  await editor.cancel(session);
  t.deepEqual(await first, { stopReason: 'cancelled' });
  await editor.receives('agent: two');
  await editor.cancel(session);
  t.deepEqual(await second, { stopReason: 'cancelled' });
});

test('cancelling in the editor also ends a run that another client has started', async (t) => {
  const { place, url, editor } = await scenery(t, '--engine', 'echo', '--engine-config', '{"hang":true}');
  const session = await editor.newSession(place);
  const sent = request<{ run: { outcome: string } | null }>(url, 'POST', `/workers/${session}/inputs`, {
    text: 'elsewhere',
  });
  await sent;
  await editor.cancel(session);
  for (let status = ''; status !== 'idle'; )
    ({ status } = (await request<{ status: string }>(url, 'GET', `/workers/${session}`)).body);
  t.pass();
});

test('a block that the agent does not announce is refused, and nothing is sent', async (t) => {
  const { place, url, editor } = await scenery(t, '--engine', 'echo');
  const session = await editor.newSession(place);
  const image = { type: 'image', data: 'aGk=', mimeType: 'image/png' } as const;
  const failure = await t.throwsAsync(editor.promptOf(session, { type: 'text', text: 'look' }, image));
  t.is((failure as { code?: number } | undefined)?.code, -32_602);
  const { body } = await request<{ items: unknown[] }>(url, 'GET', `/workers/${session}/transcript`);
  t.deepEqual(body.items, []);
  const link = { type: 'resource_link', name: 'notes', uri: 'file:///notes.txt' } as const;
  t.deepEqual(await editor.promptOf(session, link), { stopReason: 'end_turn' });
  await editor.receives('agent: [notes](file:///notes.txt)');
});

test('with --claim-folder, only the session in use holds the claim, until the editor quits', async (t) => {
  const { place, url, editor } = await scenery(t, '--engine', 'echo', '--claim-folder', 'write');
  const statusOf = async (session: string) =>
    (await request<{ status: string }>(url, 'GET', `/workers/${session}`)).body.status;
  const first = await editor.newSession(place);
  const second = await editor.newSession(place);
  t.deepEqual([await statusOf(first), await statusOf(second)], ['stopped', 'idle']);
  t.deepEqual(await editor.prompt(first, 'back here'), { stopReason: 'end_turn' });
  t.deepEqual([await statusOf(first), await statusOf(second)], ['idle', 'stopped']);
  await editor.close(first);
  t.is(await statusOf(first), 'stopped');
  t.deepEqual(await editor.prompt(second, 'and here'), { stopReason: 'end_turn' });
  t.is(await editor.quit(), 0);
  t.is(await statusOf(second), 'stopped');
});

test('a request of a Worker is shown in the editor, and the first answer counts', async (t) => {
  const { place, url, editor } = await scenery(t, '--engine', 'asking');
  editor.answer = () => 'Allow';
  const session = await editor.newSession(place);
  t.deepEqual(await editor.prompt(session, 'go'), { stopReason: 'end_turn' });
  await editor.receives('agent: It is open.');
  t.deepEqual(editor.lines, ['call open door {"key":7}', 'completed {"open":true}', 'agent: It is open.']);
  const [asked] = editor.asked;
  t.is(asked?.toolCall.title, 'Open the door?');
  t.deepEqual(
    asked?.options.map(({ name, kind }) => [name, kind]),
    [
      ['Allow', 'allow_once'],
      // no word says that it is for this time only, so no editor chooses it on its own
      ['Allow for this session', 'allow_always'],
      ['Reject', 'reject_once'],
      ['Sure', 'allow_always'],
    ],
  );
  // another client answers, over the API
  editor.answer = async () => {
    const { body } = await request<{ items: { requestId: string }[] }>(
      url,
      'GET',
      `/workers/${session}/requests`,
    );
    const [open] = body.items;
    await request(url, 'POST', `/workers/${session}/requests/${open?.requestId}/response`, {
      decision: 'Always allow',
    });
    return new Promise(() => {});
  };
  t.deepEqual(await editor.prompt(session, 'go'), { stopReason: 'end_turn' });
  editor.answer = () => 'Reject';
  const failure = await t.throwsAsync(editor.prompt(session, 'go'));
  t.regex(failure?.message ?? '', /ENGINE_FAILED/);
  t.notRegex(failure?.message ?? '', /canary/);
});

test('the editor receives the reason of a failure', async (t) => {
  const { place, editor } = await scenery(t, '--engine', 'nothing');
  await t.throwsAsync(editor.newSession(place), { message: /ENGINE_UNKNOWN/ });
  const lost = new Editor(t, place, ['--url', 'http://127.0.0.1:9', '--engine', 'echo']);
  await lost.open();
  await t.throwsAsync(lost.newSession(place), { message: /no runtime answers at http:\/\/127\.0\.0\.1:9/ });
  t.is((await run(t, place, ['acp'])).code, 2);
});
