/** The options of agents, and the settings that Workers choose for their sessions. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { AgentOptions } from '../src/index.ts';
import { AgentScene } from './agent-scene.ts';

const SIGN_IN = 'The agent requires its user to sign in, on the machine that the runtime runs on';

for (const [methods, authMethod, attempts] of [
  ['cached', undefined, ['authenticate cached']],
  ['key,cached', 'cached', ['authenticate cached']],
] as const)
  test(`the runtime signs in if the way is configured or the only one: ${methods}`, async (t) => {
    const agent = authMethod === undefined ? {} : { authMethod };
    const scene = await AgentScene.open(t, { traits: [`auth=${methods}`], agent });
    const workerId = await scene.create();
    t.is((await scene.run(workerId, 'first')).outcome, 'completed');
    const isAttempt = (line: string): boolean => line.startsWith('authenticate');
    t.deepEqual(scene.record().filter(isAttempt), attempts);
    await scene.start();
    await scene.run(workerId, 'recall');
    t.is(
      (await scene.transcript(workerId)).at(-1),
      'assistant: The first was: first',
      'also to load a session',
    );
    t.is(scene.record().filter(isAttempt).length, 2);
  });

for (const [methods, authMethod, startMs] of [
  ['key,cached', undefined, 20_000],
  ['key', 'other', 20_000],
  ['broken', undefined, 20_000],
  ['browser', undefined, 3_000],
] as const)
  test(`a creation says that a sign-in is required if it is not possible: ${methods} ${authMethod ?? ''}`, async (t) => {
    const agent = authMethod === undefined ? {} : { authMethod };
    const scene = await AgentScene.open(t, { traits: [`auth=${methods}`], agent, startMs });
    await t.throwsAsync(scene.create(), { code: 'ENGINE_UNAVAILABLE', message: SIGN_IN });
  });

test('a run says that a sign-in is required if the agent refuses a prompt for that', async (t) => {
  const scene = await AgentScene.open(t);
  const workerId = await scene.create();
  t.deepEqual(await scene.run(workerId, 'sign-in'), {
    outcome: 'failed',
    error: { code: 'ENGINE_UNAVAILABLE', message: SIGN_IN },
  });
  t.is((await scene.run(workerId, 'hello')).outcome, 'completed');
});

test('an agent that cannot resume a session, although it advertises that, loads it', async (t) => {
  const scene = await AgentScene.open(t, { traits: ['no-resume'] });
  const workerId = await scene.create();
  await scene.run(workerId, 'first');
  await scene.start();
  await scene.run(workerId, 'recall');
  t.is((await scene.transcript(workerId)).at(-1), 'assistant: The first was: first');
  t.false((await scene.log(workerId)).some(({ type }) => type === 'diagnostic.recorded'));
});

const select = (
  id: string,
  category: string | null,
  values: readonly string[],
  current = values[0],
): object => ({
  id,
  name: id,
  category,
  type: 'select',
  currentValue: current,
  options: values.map((value) => ({ value, name: value })),
});

const offering = (offers: object): readonly string[] => [`offers=${JSON.stringify(offers)}`];
const LISTS = {
  modes: { currentModeId: 'ask', availableModes: ['ask', 'plan', 'code'].map((id) => ({ id, name: id })) },
  models: {
    currentModelId: 'small',
    availableModels: ['small', 'large'].map((id) => ({ modelId: id, name: id })),
  },
};
const OPTIONS = {
  configOptions: [
    select('permissions', 'mode', ['ask', 'plan']),
    {
      ...select('model', null, []),
      options: [{ group: 'g', name: 'g', options: [{ value: 'large', name: 'L' }] }],
    },
    select('effort', 'thought_level', ['low', 'high']),
    { id: 'fast', name: 'fast', type: 'boolean', currentValue: false },
  ],
};

test('a Worker chooses a mode and a model of its agent, also when its session is reopened', async (t) => {
  for (const traits of [[], ['silent']]) {
    const scene = await AgentScene.open(t, { traits: [...offering(LISTS), ...traits] });
    const workerId = await scene.create({ config: { agent: 'fake', mode: 'plan', model: 'large' } });
    await scene.run(workerId, 'first');
    await scene.start();
    await scene.run(workerId, 'recall');
    const set = scene.record().filter((line) => /^(mode|model|option|load)/.test(line));
    t.deepEqual(set, ['model large', 'mode plan', 'load', 'model large', 'mode plan']);
    t.is((await scene.transcript(workerId)).at(-1), 'assistant: The first was: first');
  }
});

test('a Worker chooses options of its agent, which may be its mode and its model', async (t) => {
  const scene = await AgentScene.open(t, { traits: offering({ ...OPTIONS, ...LISTS }) });
  const configOptions = { effort: 'high', fast: true };
  await scene.create({ config: { agent: 'fake', mode: 'plan', model: 'large', configOptions } });
  t.deepEqual(
    scene.record().filter((line) => /^(mode|model|option)/.test(line)),
    ['option model "large"', 'option permissions "plan"', 'option effort "high"', 'option fast true'],
  );
  // The values that the agent has already are not set again.
  await scene.create({
    config: { agent: 'fake', mode: 'ask', configOptions: { effort: 'low', fast: false } },
  });
  t.is(scene.record().filter((line) => /^(mode|model|option)/.test(line)).length, 4);
});

for (const [offers, settings, message, known] of [
  [LISTS, { mode: 'yolo' }, 'config.mode must be one of: ask, plan, code', ['ask', 'plan', 'code']],
  [LISTS, { model: 'huge' }, 'config.model must be one of: small, large', ['small', 'large']],
  [{}, { mode: 'plan' }, 'config.mode is not supported: the agent offers no modes', []],
  [OPTIONS, { mode: 'yolo' }, 'config.mode must be one of: ask, plan', ['ask', 'plan']],
  [
    OPTIONS,
    { configOptions: { effort: 'huge' } },
    'config.configOptions/effort must be one of: low, high',
    ['low', 'high'],
  ],
  [
    OPTIONS,
    { configOptions: { effort: true } },
    'config.configOptions/effort must be one of: low, high',
    ['low', 'high'],
  ],
  [OPTIONS, { configOptions: { fast: 'yes' } }, 'config.configOptions/fast must be a boolean', undefined],
  [
    OPTIONS,
    { configOptions: { speed: 'x' } },
    'config.configOptions/speed must be one of: permissions, model, effort, fast',
    ['permissions', 'model', 'effort', 'fast'],
  ],
  [LISTS, { mode: 5 }, 'config.mode must be a non-empty string', undefined],
  [
    LISTS,
    { configOptions: ['x'] },
    'config.configOptions must be an object of texts and booleans',
    undefined,
  ],
] as const)
  test(`a setting that the agent does not offer is refused: ${JSON.stringify(settings)}, ${Object.keys(offers).join()}`, async (t) => {
    const scene = await AgentScene.open(t, { traits: offering(offers) });
    const error = await t.throwsAsync(scene.create({ config: { agent: 'fake', ...settings } as never }));
    t.like(error, { code: 'CONFIG_UNSUPPORTED', message });
    t.deepEqual((error as { details?: { known?: unknown } }).details?.known, known);
    t.deepEqual((await scene.runtime.listWorkers()).items, []);
  });

test('the operator restricts the modes and models that Workers choose', async (t) => {
  const agent = { modes: ['ask'], models: ['small'] };
  const lists = await AgentScene.open(t, { agent, traits: offering(LISTS) });
  const options = await AgentScene.open(t, { agent, traits: offering(OPTIONS) });
  const refusal = { code: 'CONFIG_UNSUPPORTED', message: /must be one of: (ask|small)$/ };
  for (const settings of [{ mode: 'plan' }, { model: 'large' }])
    await t.throwsAsync(lists.create({ config: { agent: 'fake', ...settings } }), refusal);
  const configOptions = { permissions: 'plan' };
  await t.throwsAsync(options.create({ config: { agent: 'fake', configOptions } }), refusal);
  await lists.create({ config: { agent: 'fake', mode: 'ask', model: 'small' } });
});

test('variables are named, given by value or read from files, and given values are not redacted', async (t) => {
  process.env.ACP_TEST_INHERITED = 'inherited-value-4711';
  const agent = {
    env: {
      ACP_TEST_URL: 'http://127.0.0.1:11434/v1',
      ACP_TEST_INHERITED: null,
      LANG: 'xx_YY',
      ACP_AGENT_OF: 'me',
    },
  };
  const scene = await AgentScene.open(t, { agent });
  const workerId = await scene.create();
  for (const [name, shown] of [
    ['ACP_TEST_URL', 'http://127.0.0.1:11434/v1'],
    ['ACP_TEST_INHERITED', '[secret]'],
    ['LANG', 'xx_YY'],
  ]) {
    await scene.run(workerId, `variable ${name}`);
    t.is((await scene.transcript(workerId)).at(-1), `assistant: ${shown}`);
  }
  await scene.run(workerId, 'variable ACP_AGENT_OF');
  t.not((await scene.transcript(workerId)).at(-1), 'assistant: me');
  for (const env of ['A', [5], [''], { A: 5 }, { 'A=B': 'x' }, { A: 'a\0b' }])
    await t.throwsAsync(AgentScene.open(t, { agent: { env: env as never } }), {
      code: 'INVALID_REQUEST',
      message: /^The option acp\.agents\.fake\.env must/,
    });
});

test('P19: an agent gets the tool servers of the operator each time it opens a session, and their keys are redacted', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'acp-servers-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'key'), 'server-key-4711\n', { mode: 0o600 });
  const mcpServers: AgentOptions['mcpServers'] = {
    files: {
      command: 'mcp-files',
      args: ['/srv'],
      env: { ROOT: '/srv' },
      envFiles: { TOKEN: join(folder, 'key') },
    },
    search: { url: 'http://127.0.0.1:9/mcp', apiKeyFile: join(folder, 'key') },
  };
  const scene = await AgentScene.open(t, { agent: { mcpServers }, traits: ['mcp', 'no-load'] });
  const workerId = await scene.create();
  await scene.run(workerId, 'hello');
  await scene.start();
  await scene.run(workerId, 'say server-key-4711');
  t.regex((await scene.transcript(workerId)).at(-1) ?? '', /say \[secret\]$/);
  const given = scene
    .record()
    .flatMap((line) => (line.startsWith('servers ') ? [JSON.parse(line.slice(8))] : []));
  const expected = [
    {
      name: 'files',
      command: 'mcp-files',
      args: ['/srv'],
      env: [
        { name: 'ROOT', value: '/srv' },
        { name: 'TOKEN', value: 'server-key-4711' },
      ],
    },
    {
      type: 'http',
      name: 'search',
      url: 'http://127.0.0.1:9/mcp',
      headers: [{ name: 'Authorization', value: 'Bearer server-key-4711' }],
    },
  ];
  t.deepEqual(given, [expected, expected]);
  const old = await AgentScene.open(t, { agent: { mcpServers } });
  await t.throwsAsync(old.create(), {
    code: 'ENGINE_UNAVAILABLE',
    message: /tool server "search".* transport http$/,
  });
  for (const server of [
    5,
    {},
    { url: 'file:///x' },
    { command: 'x', url: 'http://x' },
    { url: 'http://x', type: 'ws' },
  ])
    await t.throwsAsync(AgentScene.open(t, { agent: { mcpServers: { odd: server as never } } }), {
      code: 'INVALID_REQUEST',
    });
});

const answer = (usage: object | null, meta: object = {}): string =>
  `answer ${JSON.stringify({ stopReason: 'end_turn', ...(usage && { usage }), _meta: meta })}`;

test('usage is recorded only if the operator says what the agent counts, and totals become differences', async (t) => {
  const totals = [
    { inputTokens: 100, outputTokens: 10, cachedReadTokens: 40, totalTokens: 150 },
    { inputTokens: 250, outputTokens: 15, cachedReadTokens: 90, thoughtTokens: 5, totalTokens: 360 },
    null,
    { inputTokens: 0, outputTokens: 0, totalTokens: 0 },
    { inputTokens: 300, outputTokens: 20, cachedReadTokens: 90, thoughtTokens: 5, totalTokens: 415 },
    // A run that was cancelled before its first request adds nothing to the totals.
    { inputTokens: 300, outputTokens: 20, cachedReadTokens: 90, thoughtTokens: 5, totalTokens: 415 },
  ];
  const usageOf = async (usage: AgentOptions['usage'], restarts = false): Promise<readonly unknown[]> => {
    const scene = await AgentScene.open(t, { agent: usage === undefined ? {} : { usage } });
    const workerId = await scene.create();
    for (const [at, total] of totals.entries()) {
      if (restarts && at > 0) await scene.start();
      await scene.run(workerId, answer(total));
    }
    return (await scene.log(workerId)).flatMap(({ type, data }) =>
      type === 'usage.recorded'
        ? [[data.inputTokens, data.outputTokens, data.cacheReadTokens, data.reasoningTokens]]
        : [],
    );
  };
  t.deepEqual(await usageOf(undefined), []);
  t.deepEqual(await usageOf('none'), []);
  t.deepEqual(await usageOf('turn'), [
    [100, 10, 40, undefined],
    [250, 15, 90, 5],
    [300, 20, 90, 5],
    [300, 20, 90, 5],
  ]);
  const differences = [
    [100, 10, 40, undefined],
    [150, 5, 50, 5],
    [50, 5, 0, 0],
  ];
  t.deepEqual(await usageOf('session'), differences);
  t.deepEqual(
    await usageOf('session', true),
    differences,
    'also if the session is reopened by another process',
  );
});

test('totals that become smaller begin again, and the quota of Gemini counts', async (t) => {
  const scene = await AgentScene.open(t, { agent: { usage: 'session' } });
  const workerId = await scene.create();
  const quota = (input: number, output: number): string =>
    answer(null, { quota: { token_count: { input_tokens: input, output_tokens: output } } });
  for (const text of [
    quota(50, 5),
    quota(70, 9),
    quota(30, 3),
    answer({ inputTokens: 'x', outputTokens: -1 }),
  ])
    t.is((await scene.run(workerId, text)).outcome, 'completed');
  const { inputTokens, outputTokens } = (await scene.runtime.overview(workerId)).usage;
  t.deepEqual([inputTokens, outputTokens], [100, 12]);
});
