import { Runtime } from '@worker-runtime/core';
import { scriptedEngine } from '@worker-runtime/core/testing';
import { aiSdk } from '@worker-runtime/plugin-ai-sdk';
import { http } from '@worker-runtime/plugin-http';
import { FakeModelServer } from '@worker-runtime/test-environment/fake-model-server';
import { permission, words } from '@worker-runtime/test-facades/facade-script';
import test from 'ava';
import { plugin } from '../src/index.ts';

test('P78: a Worker drives another Worker with the tools that it was granted, and its person answers for both', async (t) => {
  const server = await FakeModelServer.open();
  t.teardown(() => server.close());
  // the model calls the tool once, and then repeats its result
  server.answer = ({ lines, last }) =>
    lines.at(-1)?.startsWith('tool ')
      ? [{ text: `It answered: ${last}` }]
      : [{ call: 'crew_send_input', input: { workerId: 'bob', text: 'go' }, id: 'call_1' }];
  const web = http({ port: 0 });
  const facade = plugin();
  facade.mountOn(web);
  const bob = scriptedEngine({
    go: [
      { type: 'tool-call', call: 'w', name: 'write', input: null },
      permission('w', (decision) => [{ type: 'tool-result', call: 'w', output: decision }]),
      ...words('Written.'),
    ],
  });
  const crew = await Runtime.start({
    plugins: [web, facade, { name: 'scripted', apply: (host) => host.useEngine(bob) }],
  });
  t.teardown(() => crew.stop({ deadlineMs: 500 }));
  await crew.createWorker({ engine: 'scripted', workerId: 'bob' });

  const boss = await Runtime.start({
    plugins: [
      aiSdk({
        retries: 0,
        providers: { fake: { type: 'openai-compatible', baseUrl: server.url } },
        mcpServers: { crew: { url: `${web.url}/v1/runtimes/self/x/mcp`, permission: 'allow' } },
      }),
    ],
  });
  t.teardown(() => boss.stop({ deadlineMs: 500 }));
  await t.throwsAsync(
    boss.createWorker({
      engine: 'ai-sdk',
      config: { provider: 'fake', model: 'm' },
      tools: ['crew.delete_worker'],
    }),
    { code: 'TOOL_UNKNOWN' },
  );
  await boss.createWorker({
    engine: 'ai-sdk',
    workerId: 'ada',
    config: { provider: 'fake', model: 'm' },
    tools: ['crew.send_input'],
  });
  const { runId } = await boss.sendInput('ada', { text: 'ask bob' }, { waitMs: 60_000 });
  const [asked] = (await boss.listRequests('ada')).items;
  t.regex(asked?.prompt ?? '', /Write the file\?/);
  await boss.respond('ada', asked?.requestId ?? '', { decision: 'accept', value: { decision: 'yes' } });
  const { run } = await boss.waitForRun('ada', runId);
  t.is(run?.outcome, 'completed');
  t.regex(JSON.stringify(run?.messages.at(-1)?.parts), /It answered: .*Written\./);
  const { items } = await crew.events('bob', { types: ['request.resolved', 'run.finished'] });
  t.like(items[0]?.data, { decision: 'yes', by: 'client' });
  t.like(items[1]?.data, { outcome: 'completed' });
  // the model was offered the granted tool alone
  t.deepEqual(server.requests.at(-1)?.tools, ['crew_send_input']);
});
