/** Agents that deviate from the protocol, or report tool calls in the ways that common agents do. */
import test from 'ava';
import { AgentScene } from './agent-scene.ts';

const chunk = (text: unknown): object => ({
  sessionUpdate: 'agent_message_chunk',
  content: { type: 'text', text },
});

const updates = (...all: readonly object[]): string => `updates ${JSON.stringify(all)}`;

for (const after of [0, 5, 40])
  test(`words that an agent sends ${after} ms after its answer belong to the run`, async (t) => {
    const scene = await AgentScene.open(t);
    const workerId = await scene.create();
    const input = updates(chunk('The answer '), { ...chunk('is '), after }, { ...chunk('42.'), after });
    t.deepEqual(await scene.run(workerId, input), { outcome: 'completed' });
    t.is((await scene.transcript(workerId)).at(-1), 'assistant: The answer is 42.');
    t.false((await scene.log(workerId)).some(({ type }) => type === 'diagnostic.recorded'));
  });

test('words that come after the end of a run are reported in the next one', async (t) => {
  const scene = await AgentScene.open(t);
  const workerId = await scene.create();
  await scene.run(workerId, updates(chunk('The answer is '), { ...chunk('42.'), after: 3_000 }));
  await scene.logs('after its run had ended');
  await scene.run(workerId, 'hello');
  const notice = (await scene.log(workerId)).find(({ type }) => type === 'diagnostic.recorded')?.data;
  t.like(notice, {
    code: 'LATE_OUTPUT',
    message: 'The agent sent output after its last run had ended: 42.',
  });
  t.is((await scene.transcript(workerId)).at(-1), 'assistant: You said: hello');
});

test('a run completes if its agent exits right after the answer', async (t) => {
  const scene = await AgentScene.open(t);
  const workerId = await scene.create();
  t.deepEqual(await scene.run(workerId, 'exit-after'), { outcome: 'completed' });
  t.is((await scene.transcript(workerId)).at(-1), 'assistant: Good bye.');
  for await (const item of scene.runtime.observe(workerId, { after: 'start' }))
    if (item.type === 'event' && item.event.type === 'execution.detached') break;
  t.is((await scene.run(workerId, 'hello')).outcome, 'completed');
  t.is((await scene.runtime.getWorker(workerId)).execution.generation, 2);
});

test('an input that follows the exit of an agent gets another agent, which has the conversation', async (t) => {
  const scene = await AgentScene.open(t);
  const workerId = await scene.create();
  await scene.run(workerId, 'first');
  const { cursor } = await scene.runtime.sendInput(workerId, { text: 'exit-after' });
  for await (const item of scene.runtime.observe(workerId, { after: cursor }))
    if (item.type === 'event' && item.event.type === 'execution.detached') break;
  t.deepEqual(await scene.run(workerId, 'recall'), { outcome: 'completed' });
  t.is((await scene.transcript(workerId)).at(-1), 'assistant: The first was: first');
  t.is(scene.record().filter((line) => line.startsWith('start ')).length, 2);
});

for (const [traits, kind] of [
  [['late-replay'], 'once'],
  [['late-replay=30', 'no-resume'], 'in pieces'],
] as const)
  test(`a session that an agent replays ${kind} after it has answered is not taken for output of a run`, async (t) => {
    const scene = await AgentScene.open(t, { traits });
    const workerId = await scene.create();
    for (const text of ['first', 'second', 'third']) await scene.run(workerId, text);
    await scene.start();
    t.deepEqual(await scene.run(workerId, 'recall'), { outcome: 'completed' });
    t.deepEqual((await scene.transcript(workerId)).slice(-2), [
      'user: recall',
      'assistant: The first was: first',
    ]);
    t.false((await scene.log(workerId)).some(({ type }) => type === 'diagnostic.recorded'));
  });

const call = (more: object = {}): object => ({ sessionUpdate: 'tool_call_update', toolCallId: 'x', ...more });
const ended = (more: object): object => call({ status: 'completed', ...more });

test('a malformed update is left out, and neither the run nor the agent ends', async (t) => {
  const scene = await AgentScene.open(t);
  const workerId = await scene.create();
  const malformed: readonly object[] = [
    { sessionUpdate: 'agent_message_chunk' },
    ...[undefined, null, 5, {}, ['x']].map(chunk),
    ...['text', [{ type: 'text', text: 'x' }], null, { type: 7 }].map((content) => ({
      sessionUpdate: 'agent_thought_chunk',
      content,
    })),
    ...[{}, { entries: null }, { entries: 'x' }, { entries: [null, 1, {}] }].map((plan) => ({
      sessionUpdate: 'plan',
      ...plan,
    })),
    { sessionUpdate: 'tool_call', title: 'ls' },
    { sessionUpdate: 'tool_call', toolCallId: 7 },
    { sessionUpdate: null },
    {},
  ];
  const harmless = [
    { sessionUpdate: 'usage_update', used: 'x' },
    { sessionUpdate: 'available_commands_update', availableCommands: null },
    { sessionUpdate: 'current_mode_update', currentModeId: 'ask' },
    { sessionUpdate: 'from_the_future', content: 1 },
    { sessionUpdate: 'toString' },
  ];
  t.is((await scene.run(workerId, updates(...malformed, ...harmless, chunk('Done.')))).outcome, 'completed');
  t.deepEqual((await scene.transcript(workerId)).slice(1), ['assistant: Done.']);
  t.is(scene.logged.filter((line) => line.includes('malformed update')).length, malformed.length);
  const odd = [
    {
      sessionUpdate: 'tool_call',
      toolCallId: 'x',
      title: null,
      kind: 'juggle',
      status: 'queued',
      locations: 5,
    },
    ended({ content: { type: 'text', text: 'x' }, rawOutput: 'fine' }),
  ];
  t.is((await scene.run(workerId, updates(...odd))).outcome, 'completed');
  t.deepEqual((await scene.transcript(workerId)).slice(-2), ['call tool {}', 'result "fine"']);
  t.is((await scene.runtime.getWorker(workerId)).execution.generation, 1);
});

for (const [title, sent, result] of [
  [
    'raw output that ends a call replaces earlier content',
    [call({ content: [{ type: 'diff', path: '/a', newText: 'b' }] }), ended({ rawOutput: { stdout: 'hi' } })],
    'result {"stdout":"hi"}',
  ],
  [
    'content that ends a call is preferred to its raw output',
    [ended({ content: [{ type: 'content', content: { type: 'text', text: 'hi' } }], rawOutput: { a: 1 } })],
    'result "hi"',
  ],
  [
    'items of content that are malformed are left out',
    [
      ended({
        content: [
          { type: 'content' },
          { type: 'diff', path: '/a' },
          5,
          { type: 'content', content: { type: 'text', text: 'hi' } },
        ],
      }),
    ],
    'result "hi"',
  ],
  [
    'empty content replaces content that described the input',
    [
      call({ content: [{ type: 'content', content: { type: 'text', text: 'in the folder a' } }] }),
      call({ content: [{ type: 'content', content: { type: 'text', text: 'for two minutes' } }] }),
      ended({ content: [] }),
    ],
    'result ""',
  ],
  [
    'content stays if nothing replaces it',
    [call({ content: [{ type: 'content', content: { type: 'text', text: 'hi' } }] }), ended({})],
    'result "hi"',
  ],
  [
    'terminal output is read from the metadata',
    [
      call({ content: [{ type: 'terminal', terminalId: 'x' }] }),
      ...['he', 'llo\n'].map((data) =>
        call({ _meta: { terminal_output_delta: { terminal_id: 'x', data } } }),
      ),
      ended({ rawOutput: { exit_code: 0 }, _meta: { terminal_exit: { exit_code: 0, signal: null } } }),
    ],
    'result "hello\\n"',
  ],
  [
    'terminal output ends with an exit code that is not zero',
    [
      call({ _meta: { terminal_output: { terminal_id: 'x', data: 'oh' } } }),
      call({ status: 'failed', _meta: { terminal_exit: { exit_code: 3 } } }),
    ],
    'error oh\n[exit code 3]',
  ],
  [
    'the whole output of a terminal replaces additions to it',
    [
      call({ _meta: { terminal_output: { data: 'one ' } } }),
      call({ _meta: { terminal_output_delta: { data: 'two ' } } }),
      call({ _meta: { terminal_output: { data: 'one two three ' } } }),
      call({ _meta: { terminal_output_delta: { data: 'four' } } }),
      ended({}),
    ],
    'result "one two three four"',
  ],
  [
    'outputs of a terminal without marked additions are joined',
    [...['one ', 'two'].map((data) => call({ _meta: { terminal_output: { data } } })), ended({})],
    'result "one two"',
  ],
  [
    'raw output is preferred to the exit of a terminal without output',
    [
      call({
        status: 'failed',
        rawOutput: { stdout: 'oops', exit_code: 3 },
        _meta: { terminal_exit: { exit_code: 3 } },
      }),
    ],
    'error {"stdout":"oops","exit_code":3}',
  ],
  [
    'the exit of a terminal without any output is the result',
    [call({ status: 'failed', _meta: { terminal_exit: { exit_code: 3 } } })],
    'error [exit code 3]',
  ],
] as const)
  test(`tool calls: ${title}`, async (t) => {
    const scene = await AgentScene.open(t);
    const workerId = await scene.create();
    t.is(
      (
        await scene.run(
          workerId,
          updates(
            { sessionUpdate: 'tool_call', toolCallId: 'x', title: 'run', status: 'in_progress' },
            ...sent,
          ),
        )
      ).outcome,
      'completed',
    );
    t.is((await scene.transcript(workerId)).at(-1), result);
  });

test('updates of a call that has ended are ignored, and its id can be used again', async (t) => {
  const scene = await AgentScene.open(t);
  const workerId = await scene.create();
  const late = call({ _meta: { terminal_exit: { exit_code: 3 } } });
  const again = {
    sessionUpdate: 'tool_call',
    toolCallId: 'x',
    title: 'again',
    status: 'completed',
    rawOutput: 2,
  };
  await scene.run(workerId, updates(ended({ title: 'first', rawOutput: 1 }), late, again, late));
  t.deepEqual((await scene.transcript(workerId)).slice(1), [
    'call first {}',
    'result 1',
    'call again {}',
    'result 2',
  ]);
});

test('P19: the output of a terminal is redacted across its pieces, and cut to size', async (t) => {
  process.env.ACP_TEST_PIECES = 'piece-canary-0815';
  const agent = { env: ['ACP_TEST_PIECES'] };
  const scene = await AgentScene.open(t, { agent, toolOutputBytes: 1_024 });
  const workerId = await scene.create();
  const output = `at first piece-canary-0815 ${'.'.repeat(9_180)} piece-canary-0815 ${'.'.repeat(900)}`;
  const sent = (output.match(/.{1,11}/g) ?? []).map((data) =>
    call({ _meta: { terminal_output_delta: { data } } }),
  );
  await scene.run(workerId, updates(...sent, ended({})));
  const result = (await scene.log(workerId)).find(({ type }) => type === 'tool.finished')?.data;
  t.like(result, { truncated: true });
  t.regex(JSON.stringify(result), /at first \[secret\] \.\.\./);
  t.notRegex(JSON.stringify(result), /canary|piece/);
});

test('a call has its title, its kind and its files, and the name of its tool if the agent states it', async (t) => {
  const scene = await AgentScene.open(t);
  const workerId = await scene.create({
    claims: [{ name: 'project', resource: `fs:${scene.folder}`, mode: 'read' }],
  });
  const begun = { sessionUpdate: 'tool_call', kind: 'execute', status: 'in_progress' };
  const locations = [{ path: `${scene.folder}/a.ts`, line: 3 }, { line: 4 }, { path: '/b', line: -1 }];
  await scene.run(
    workerId,
    updates(
      { ...begun, toolCallId: 'x', title: 'echo hi', locations },
      { ...begun, toolCallId: 'y', title: 'echo hi', _meta: { claudeCode: { toolName: 'Bash' } } },
      { ...begun, toolCallId: 'z', name: 'shell', kind: 'switch_mode' },
      { ...begun, toolCallId: 'q', title: 'Shell', _meta: { toolName: 'run_shell_command' } },
      { ...begun, toolCallId: 'v', title: 'bash: ls', _meta: { tool_name: 'bash', toolName: '' } },
    ),
  );
  const calls = (await scene.log(workerId)).flatMap(({ type, data }) =>
    type === 'tool.called' ? [data] : [],
  );
  t.like(calls[0], {
    name: 'execute',
    title: 'echo hi',
    kind: 'execute',
    locations: [{ path: '[project]/a.ts', line: 3 }, { path: '/b' }],
  });
  t.like(calls[1], { name: 'Bash', title: 'echo hi' });
  t.like(calls[2], { name: 'shell', kind: undefined, title: undefined });
  t.deepEqual(
    calls.slice(3).map(({ name }) => name),
    ['run_shell_command', 'bash'],
  );
});

const toolCall = {
  toolCallId: 'x',
  title: 'rm',
  status: 'pending',
  content: [{ type: 'content', content: { type: 'text', text: 'because of the dust' } }],
};
const request = (options: readonly object[], then: readonly object[] = []): string =>
  `request ${JSON.stringify({ toolCall, options, then })}`;
const once = { optionId: 'yes', name: 'Allow', kind: 'allow_once' };
const always = { optionId: 'ever', name: 'Always', kind: 'allow_always' };
const reject = { optionId: 'no', name: 'Reject', kind: 'reject_once' };

for (const [end, result] of [
  [{ rawOutput: 'removed' }, 'result "removed"'],
  [{}, 'result ""'],
  [{ status: 'failed' }, 'error The tool failed'],
] as const)
  test(`the content of a permission request is shown in it, and is not the output of the call: ${result}`, async (t) => {
    const scene = await AgentScene.open(t);
    const workerId = await scene.create();
    const { requestId, runId, prompt } = await scene.asked(workerId, request([once, reject], [ended(end)]));
    t.is(prompt, 'rm\nbecause of the dust');
    await scene.runtime.respond(workerId, requestId, { decision: 'Allow' });
    t.is((await scene.ended(workerId, runId)).outcome, 'completed');
    t.deepEqual((await scene.transcript(workerId)).slice(-2), ['call rm {}', result]);
  });

test('a permission request does not record other calls, whose input may not be known yet', async (t) => {
  const scene = await AgentScene.open(t);
  const workerId = await scene.create();
  const begun = { sessionUpdate: 'tool_call', status: 'pending', title: 'Fetch', rawInput: {} };
  const known = { sessionUpdate: 'tool_call_update' };
  const ofY = { ...known, toolCallId: 'y', title: 'Fetch b', rawInput: { url: 'b' } };
  const first = [...['x', 'y', 'z'].map((toolCallId) => ({ ...begun, toolCallId })), ofY];
  const then = [
    { ...known, toolCallId: 'x', title: 'Fetch a', rawInput: { url: 'a' } },
    { ...known, toolCallId: 'y', status: 'completed', rawOutput: 'B' },
    { ...known, toolCallId: 'z', title: 'Fetch c', rawInput: { url: 'c' } },
    { ...known, toolCallId: 'x', status: 'completed', rawOutput: 'A' },
    { ...known, toolCallId: 'z', status: 'completed', rawOutput: 'C' },
  ];
  const asked = await scene.asked(
    workerId,
    `request ${JSON.stringify({ first, toolCall: { toolCallId: 'y' }, options: [once, reject], then })}`,
  );
  await scene.runtime.respond(workerId, asked.requestId, { decision: 'Allow' });
  t.is((await scene.ended(workerId, asked.runId)).outcome, 'completed');
  const calls = (await scene.log(workerId)).flatMap(({ type, data }) =>
    type === 'tool.called' ? [data] : [],
  );
  t.is(calls[0]?.call, asked.call ?? undefined);
  t.deepEqual(
    calls.map(({ title, input }) => [title, input]),
    [
      ['Fetch b', { url: 'b' }],
      ['Fetch a', { url: 'a' }],
      ['Fetch c', { url: 'c' }],
    ],
  );
});

for (const [answer, then, error] of [
  ['Reject', [], 'The call was not permitted'],
  ['Reject', [call({ status: 'failed' })], 'The call was not permitted'],
  ['Reject', [call({ status: 'failed', rawOutput: 'no dust removed' })], 'no dust removed'],
  ['', [], 'The call was not permitted'],
] as const)
  test(`a call that ${answer === '' ? 'nobody permits' : 'is refused'} ends as denied: ${then.length} ${error}`, async (t) => {
    const scene = await AgentScene.open(t, answer === '' ? { permissionMs: 1 } : {});
    const workerId = await scene.create();
    const { runId } = await scene.runtime.sendInput(workerId, { text: request([once, reject], then) });
    const items = answer === '' ? [] : [await scene.asking(workerId)];
    for (const { requestId } of items) await scene.runtime.respond(workerId, requestId, { decision: answer });
    t.is((await scene.ended(workerId, runId)).outcome, 'completed');
    const result = (await scene.log(workerId)).find(({ type }) => type === 'tool.finished')?.data;
    t.like(result, { error, denied: true });
  });

test('options of an unknown or absent kind are shown to people, and each option can be chosen', async (t) => {
  const scene = await AgentScene.open(t, { agent: { permission: 'allow' } });
  const workerId = await scene.create();
  const odd = [
    { optionId: 'session', name: 'For the session', kind: 'allow_session' },
    { optionId: 'Same', name: 'Same' },
    { optionId: 'other', name: 'Same', kind: 'reject_once' },
    { optionId: 'other', name: '', kind: 5 },
  ];
  for (const [at, decision] of ['For the session', 'Same', 'other', ' (4)'].entries()) {
    const { requestId, runId, options } = await scene.asked(workerId, request(odd));
    t.deepEqual(
      options.map(({ id, kind }) => [id, kind]),
      [
        ['For the session', undefined],
        ['Same', undefined],
        ['other', 'reject-once'],
        [' (4)', undefined],
      ],
    );
    await scene.runtime.respond(workerId, requestId, { decision });
    await scene.ended(workerId, runId);
    t.is(
      scene.record().at(-1),
      `outcome ${JSON.stringify({ outcome: 'selected', optionId: odd[at]?.optionId })}`,
    );
  }
});

for (const [options, chosen] of [
  [[reject, always, once], 'yes'],
  [[reject, always], 'ever'],
] as const)
  test(`with the permission "allow", an agent that offers ${options.length} options gets "${chosen}"`, async (t) => {
    const scene = await AgentScene.open(t, { agent: { permission: 'allow' } });
    const workerId = await scene.create();
    t.is((await scene.run(workerId, request(options, [ended({ rawOutput: 'ok' })]))).outcome, 'completed');
    t.is(scene.record().at(-1), `outcome {"outcome":"selected","optionId":"${chosen}"}`);
    t.is((await scene.transcript(workerId)).at(-1), 'result "ok"');
  });
