import test from 'ava';
import { FakeMcpServer, textResult } from './fake-mcp-server.ts';
import { ModelScene } from './model-scene.ts';

/*
 * The HTTP client of Node ends requests after 300 seconds. Here its limit is one second, for every request that does not
 * set another one.
 */
const LIMIT_MS = 1_000;
const SILENCE_MS = 3_500;

type Dispatch = (options: object, handler: object) => boolean;

void Response;
const places = [1, 2].map((version) => Symbol.for(`undici.globalDispatcher.${version}`));
const dispatchers = globalThis as unknown as Record<symbol, { dispatch: Dispatch } | undefined>;
for (const place of places) {
  const original = dispatchers[place];
  if (original)
    dispatchers[place] = {
      dispatch: (options, handler) =>
        original.dispatch({ headersTimeout: LIMIT_MS, bodyTimeout: LIMIT_MS, ...options }, handler),
    };
}

const silence = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, SILENCE_MS));

test.serial('the limits of Node end a plain request', async (t) => {
  const scene = await ModelScene.open(t);
  scene.server.answer = () => [{ until: silence() }, { text: 'late' }];
  const request = fetch(`${scene.server.url}/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ messages: [{ role: 'user', content: 'go' }] }),
  });
  await t.throwsAsync(request.then((response) => response.text()));
});

test.serial('P22: a model that is silent for longer than the HTTP client allows is waited for', async (t) => {
  const scene = await ModelScene.open(t);
  scene.server.answer = async () => {
    await silence();
    return [{ text: 'late, ' }, { until: silence() }, { text: 'but whole' }];
  };
  const workerId = await scene.create();
  const { outcome, error } = await scene.say(workerId, 'go');
  t.deepEqual([outcome, error], ['completed', null]);
  t.deepEqual(await scene.transcript(workerId), ['user: go', 'assistant: late, but whole']);
});

test.serial(
  'a tool server that is silent for longer than the HTTP client allows is waited for',
  async (t) => {
    const far = await FakeMcpServer.open(t);
    far.respond = (id, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
      const data = JSON.stringify({ jsonrpc: '2.0', id, result: textResult('late') });
      void silence().then(() => response.end(`data: ${data}\n\n`));
    };
    const scene = await ModelScene.open(t, {
      connectMs: 60_000,
      mcpServers: { far: { url: far.url, permission: 'allow' } },
    });
    scene.server.answer = ({ lines }) =>
      lines.at(-1)?.startsWith('tool ') ? [{ text: 'Done.' }] : [{ call: 'far_look', input: {} }];
    const workerId = await scene.create({}, { tools: ['far.look'] });
    await scene.say(workerId, 'go');
    t.is((await scene.transcript(workerId)).at(-2), 'result "late"');
  },
);
