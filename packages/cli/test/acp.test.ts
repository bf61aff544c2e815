/** Uses `worker-runtime acp` as an editor does, against a served runtime. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Editor } from './editor.ts';
import { makePlace, request, run, serve } from './program.ts';

/** An engine that asks for permission before it calls a tool. */
const ASKING = `
const run = async function* (run) {
  yield { type: 'tool-call', call: 'c1', name: 'door', title: 'open door', kind: 'move', locations: [{ path: '[house]/door', line: 1 }], input: { key: 7 } };
  yield { type: 'usage', inputTokens: 5, outputTokens: 2, cacheReadTokens: 1 };
  yield { type: 'usage', inputTokens: 7, outputTokens: 1 };
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
  t.like(await editor.prompt(session, 'hello there'), { stopReason: 'end_turn' });
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
  t.like(await other.prompt(session, 'again'), { stopReason: 'end_turn' });
  await other.receives('agent: again');
  const missing = await t.throwsAsync(other.load('nobody', place), { message: /nobody|not found/i });
  t.like(missing, { code: -32_002, data: { code: 'WORKER_NOT_FOUND' } });
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

test('with --claim-folder, only the session in use holds the claim, until the editor quits', async (t) => {
  const { place, url, editor } = await scenery(t, '--engine', 'echo', '--claim-folder', 'write');
  const statusOf = async (session: string) =>
    (await request<{ status: string }>(url, 'GET', `/workers/${session}`)).body.status;
  const first = await editor.newSession(place);
  const second = await editor.newSession(place);
  t.deepEqual([await statusOf(first), await statusOf(second)], ['stopped', 'idle']);
  t.like(await editor.prompt(first, 'back here'), { stopReason: 'end_turn' });
  t.deepEqual([await statusOf(first), await statusOf(second)], ['idle', 'stopped']);
  await editor.close(first);
  t.is(await statusOf(first), 'stopped');
  t.like(await editor.prompt(second, 'and here'), { stopReason: 'end_turn' });
  t.is(await editor.quit(), 0);
  t.is(await statusOf(second), 'stopped');
});

test('a request of a Worker is shown in the editor, and the first answer counts', async (t) => {
  const { place, url, editor } = await scenery(t, '--engine', 'asking');
  editor.answer = () => 'Allow';
  const session = await editor.newSession(place);
  t.deepEqual(await editor.prompt(session, 'go'), {
    stopReason: 'end_turn',
    usage: {
      totalTokens: 15,
      inputTokens: 12,
      outputTokens: 3,
      cachedReadTokens: 1,
      cachedWriteTokens: 0,
      thoughtTokens: 0,
    },
  });
  await editor.receives('agent: It is open.');
  t.like(editor.calls[0], {
    name: 'door',
    title: 'open door',
    kind: 'move',
    locations: [{ path: '[house]/door', line: 1 }],
  });
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
  t.like(await editor.prompt(session, 'go'), { stopReason: 'end_turn' });
  editor.answer = () => 'Reject';
  const failure = await t.throwsAsync(editor.prompt(session, 'go'));
  t.regex(failure?.message ?? '', /ENGINE_FAILED/);
  t.like(failure, { code: -32_010, data: { code: 'ENGINE_FAILED' } });
  t.notRegex(failure?.message ?? '', /canary/);
});

test('a prompt during another one waits for it, and a cancel ends the older of the two', async (t) => {
  const { place, url, editor } = await scenery(t, '--engine', 'echo', '--engine-config', '{"hang":true}');
  const session = await editor.newSession(place);
  const first = editor.prompt(session, 'one');
  await editor.receives('agent: one');
  const refused = await t.throwsAsync(editor.prompt(session, 'x'.repeat(300_000)));
  t.like(refused, { code: -32_602, data: { code: 'PAYLOAD_TOO_LARGE' } });
  const second = editor.prompt(session, 'two');
  const isQueued = async (): Promise<boolean> =>
    (await request<{ queued: number }>(url, 'GET', `/workers/${session}`)).body.queued === 1;
  while (!(await isQueued()));
  await editor.cancel(session);
  t.deepEqual(await first, { stopReason: 'cancelled' });
  await editor.receives('agent: two');
  t.deepEqual(editor.lines, ['agent: one', 'agent: two']);
  const { body } = await request<{ status: string }>(url, 'GET', `/workers/${session}`);
  t.is(body.status, 'running', 'the cancel of the first prompt leaves the second one alone');
  await editor.cancel(session);
  t.deepEqual(await second, { stopReason: 'cancelled' });
});

test('a cancel ends the run of another client, and the prompt that waits for it', async (t) => {
  const { place, url, editor } = await scenery(t, '--engine', 'echo', '--engine-config', '{"hang":true}');
  const session = await editor.newSession(place);
  const send = (text: string) =>
    request<{ runId: string }>(url, 'POST', `/workers/${session}/inputs`, { text });
  const statusOf = async (): Promise<string> =>
    (await request<{ status: string }>(url, 'GET', `/workers/${session}`)).body.status;
  await send('elsewhere');
  await editor.cancel(session);
  while ((await statusOf()) !== 'idle');
  await send('elsewhere');
  const waiting = editor.prompt(session, 'here');
  const isQueued = async (): Promise<boolean> =>
    (await request<{ queued: number }>(url, 'GET', `/workers/${session}`)).body.queued === 1;
  while (!(await isQueued()));
  await editor.cancel(session);
  t.deepEqual(await waiting, { stopReason: 'cancelled' });
  t.is(await statusOf(), 'idle');
});

test('an image of a prompt is a file of the Worker, images of a Worker are shown, and a linked file is named', async (t) => {
  const { place, url, editor } = await scenery(t, '--engine', 'echo');
  const session = await editor.newSession(place);
  const image = { type: 'image', data: 'aGk=', mimeType: 'image/png' } as const;
  const blob = { type: 'resource', resource: { uri: 'file:///b/a.bin', blob: 'aGk=' } } as const;
  const link = { type: 'resource_link', uri: 'file:///src/a.ts', name: 'a.ts' } as const;
  t.like(await editor.prompt(session, 'see', link, image), { stopReason: 'end_turn' });
  await editor.receives('agent: see\n[a.ts](file:///src/a.ts)<image/png aGk=>');
  t.like(await editor.promptOf(session, blob), { stopReason: 'end_turn' });
  const { body } = await request<{ items: { parts: object[] }[] }>(
    url,
    'GET',
    `/workers/${session}/transcript`,
  );
  t.like(body.items.at(-2)?.parts[0], { type: 'file', mediaType: 'image/png', sizeBytes: 2, name: 'a.bin' });
  const empty = await t.throwsAsync(editor.prompt(session, 'see', { ...image, data: '' }), {
    message: /no content/,
  });
  t.like(empty, { code: -32_602 });
  const other = new Editor(t, place, ['--url', url, '--engine', 'echo']);
  await other.open();
  await other.load(session, place);
  t.true(other.lines.some((line) => line.startsWith('user: see') && line.endsWith('<image/png aGk=>')));
});

test('an image for an engine that takes no files is refused, and says so', async (t) => {
  const { place, editor } = await scenery(t, '--engine', 'asking');
  const session = await editor.newSession(place);
  const image = { type: 'image', data: 'aGk=', mimeType: 'image/png' } as const;
  await t.throwsAsync(editor.prompt(session, 'see', image), { message: /takes no files/ });
});

test('the sessions of a folder are listed, and those of other engines and clients are not', async (t) => {
  const { place, url, editor } = await scenery(t, '--engine', 'echo');
  const sessions = [await editor.newSession(`${place}/`), await editor.newSession(place)];
  const elsewhere = await editor.newSession('/elsewhere');
  await request(url, 'POST', '/workers', { engine: 'echo' });
  const { body } = await request<{ labels: Record<string, string> }>(url, 'GET', `/workers/${sessions[0]}`);
  t.false(JSON.stringify(body).includes(place), 'P19: other clients do not see the folder');
  await request(url, 'POST', '/workers', { engine: 'asking', labels: body.labels });
  const found = await editor.list({ cwd: place });
  t.deepEqual(new Set(found.sessions.map(({ sessionId }) => sessionId)), new Set(sessions));
  t.true(found.sessions.every(({ cwd }) => cwd === place));
  const all = await editor.list();
  t.deepEqual(new Set(all.sessions.map(({ sessionId }) => sessionId)), new Set([...sessions, elsewhere]));
  const other = new Editor(t, place, ['--url', url, '--engine', 'echo']);
  await other.open();
  t.is((await other.list()).sessions.length, 2, 'only the folder that the editor was started in');
  t.is((await other.list({ cwd: '/elsewhere' })).sessions.length, 1);
  t.like(await t.throwsAsync(editor.list({ cursor: 'x' })), {
    code: -32_602,
    data: { code: 'CURSOR_INVALID' },
  });
});

test('a message says that the tool servers of the editor are not used', async (t) => {
  const { place, editor } = await scenery(t, '--engine', 'echo');
  const session = await editor.newSession(place, [{ name: 'docs', command: 'mcp-docs', args: [], env: [] }]);
  await editor.prompt(session, 'hello');
  await editor.receives('agent: hello');
  t.is(editor.lines.length, 2);
  t.regex(editor.lines[0] ?? '', /tool servers of the editor are not used \(docs\)/);
  await editor.prompt(session, 'again');
  await editor.receives('agent: again');
  t.is(editor.lines.length, 3);
});

test('the editor receives the reason of a failure', async (t) => {
  const { place, editor } = await scenery(t, '--engine', 'nothing');
  const unknown = await t.throwsAsync(editor.newSession(place), { message: /ENGINE_UNKNOWN/ });
  t.like(unknown, { code: -32_602, data: { code: 'ENGINE_UNKNOWN' } });
  const lost = new Editor(t, place, ['--url', 'http://127.0.0.1:9', '--engine', 'echo']);
  await lost.open();
  const unreachable = await t.throwsAsync(lost.newSession(place), {
    message: /no runtime answers at http:\/\/127\.0\.0\.1:9/,
  });
  t.like(unreachable, { code: -32_010, data: { code: 'RUNTIME_UNREACHABLE' } });
  t.is((await run(t, place, ['acp'])).code, 2);
});
