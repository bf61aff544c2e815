import type { JsonObject } from '../../contracts/json.ts';
import type { Contract } from './scene.ts';

const NAME = /^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$/;
const ACCESS = ['filesystem', 'shell', 'git', 'worktree'] as const;

/** Tests of an engine that runs without being stopped: its facts, its config, its outputs. */
export const runningTests = (contract: Contract): void => {
  contract(
    'P17: an engine has a valid name, and the runtime reports its capabilities and its schema',
    async (t, scene) => {
      const { engine, config } = scene.harness;
      t.true(NAME.test(engine.name), engine.name);
      const { engines, capabilities } = await scene.runtime.summary();
      const { configSchema } = engine;
      t.deepEqual(engines, [
        { name: engine.name, capabilities: engine.capabilities, ...(configSchema && { configSchema }) },
      ]);
      if (configSchema) {
        t.deepEqual(JSON.parse(JSON.stringify(configSchema)), configSchema, 'the schema is JSON');
        const { properties = {}, required = [] } = configSchema as {
          readonly properties?: JsonObject;
          readonly required?: readonly string[];
        };
        for (const key of Object.keys(config))
          t.true(Object.hasOwn(properties, key), `the schema describes ${key}`);
        for (const key of required) t.true(Object.hasOwn(config, key), `the config has ${key}`);
      }
      for (const kind of ACCESS)
        t.is(capabilities.access[kind], engine.capabilities.access?.[kind] === true, kind);
      t.deepEqual(capabilities.tools.available, [...new Set(engine.capabilities.tools)].sort());
      t.is(capabilities.operations.requests, engine.capabilities.requests === true);
    },
  );

  contract(
    'an attached engine is connected, and records nothing before the first input',
    async (t, scene) => {
      const workerId = await scene.create();
      const { status, execution } = await scene.runtime.getWorker(workerId);
      t.is(status, 'idle');
      t.deepEqual(execution, { connected: true, generation: 1, lastError: null });
      t.deepEqual(
        (await scene.log(workerId)).map(({ type }) => type),
        ['worker.created', 'execution.attached'],
      );
      await scene.checkNoDiagnostics();
    },
  );

  contract(
    'P18: a config with an unknown key is refused, and no Worker is created',
    async (t, scene) => {
      const { engine, config } = scene.harness;
      t.is(typeof engine.checkConfig, 'function', 'the engine has checkConfig');
      const created = await scene.create();
      const code = await scene.runtime
        .createWorker({ engine: engine.name, config: { ...config, 'no engine knows this key': true } })
        .then(
          () => 'created',
          (error: unknown) => Object(error).code as unknown,
        );
      t.is(code, 'CONFIG_UNSUPPORTED');
      t.deepEqual(
        (await scene.runtime.listWorkers()).items.map(({ workerId }) => workerId),
        [created],
      );
    },
    'config',
  );

  contract('a run completes with a message, and its tool calls have results', async (t, scene) => {
    const workerId = await scene.create();
    await scene.say(workerId, scene.harness.input);
    await scene.say(workerId, scene.harness.input);
    t.deepEqual(await scene.outcomes(workerId), ['completed', 'completed']);
    const log = await scene.log(workerId);
    const calls = new Set<string>();
    const runsWithMessage = new Set<string | undefined>();
    for (const { type, run, data } of log) {
      if (type === 'message.completed') {
        runsWithMessage.add(run);
        t.true(data.parts.length > 0 && data.partial === undefined, 'the message is complete');
      }
      if (type === 'tool.called') {
        t.true(!calls.has(data.call), 'no two open calls have the same id');
        calls.add(data.call);
      }
      if (type === 'tool.finished') t.true(calls.delete(data.call), 'each result follows its call');
      if (type === 'run.finished') t.is(calls.size, 0, 'each call has a result');
      if (type === 'usage.recorded') {
        for (const count of [data.inputTokens, data.outputTokens])
          t.true(Number.isSafeInteger(count) && count >= 0, 'token counts are non-negative integers');
      }
    }
    t.is(runsWithMessage.size, 2, 'each run has a message');
    t.is((await scene.runtime.getWorker(workerId)).status, 'idle');
    await scene.checkNoDiagnostics();
  });

  contract('P10: each output of a run is recorded once, before the end of the run', async (t, scene) => {
    const workerId = await scene.create();
    await scene.say(workerId, scene.harness.input);
    const [first, ...outputs] = (await scene.log(workerId)).filter(
      ({ run, type }) => run !== undefined && type !== 'input.accepted',
    );
    t.is(first?.type, 'run.started');
    t.is(outputs.at(-1)?.type, 'run.finished');
    // an output that is both yielded and returned would follow itself, with other ids
    const contents = outputs.map(({ type, data }) =>
      JSON.stringify([type, data], (key, value: unknown) =>
        key === 'id' || key === 'message' ? undefined : value,
      ),
    );
    for (const [at, content] of contents.entries()) t.true(content !== contents[at + 1], content);
  });

  contract('P5: the streamed text is a prefix of the message that follows', async (t, scene) => {
    const workerId = await scene.create();
    const { cursor } = await scene.runtime.sendInput(workerId, scene.harness.input);
    const parts = new Map<string, string>();
    for await (const item of scene.runtime.observe(workerId, { after: cursor })) {
      if (item.type === 'in-flight') {
        parts.clear();
        for (const { id, text } of item.messages.flatMap((message) => message.parts)) parts.set(id, text);
      } else if (item.type === 'delta') parts.set(item.part, `${parts.get(item.part) ?? ''}${item.text}`);
      else if (item.type === 'event' && item.event.type === 'message.completed') {
        const whole = new Map(
          item.event.data.parts.map((part) => [part.id, 'text' in part ? part.text : '']),
        );
        for (const [id, text] of parts) t.true(whole.get(id)?.startsWith(text) === true, text);
        parts.clear();
      } else if (item.type === 'event' && item.event.type === 'run.finished') break;
    }
    t.is(parts.size, 0);
  });

  contract(
    'concurrent runs of several Workers do not mix their conversations',
    async (t, scene) => {
      const ids = await Promise.all(Array.from({ length: 4 }, () => scene.create()));
      const markers = ids.map((_, index) => `marker${index}x${index * 7919}`);
      for (let round = 0; round < 3; round += 1) {
        const answers = await Promise.all(
          ids.map((id, index) =>
            scene.say(id, scene.need(scene.harness.echoInput?.(markers[index] ?? ''), 'echoInput')),
          ),
        );
        for (const [index, answer] of answers.entries()) {
          for (const [other, marker] of markers.entries())
            t.is(
              answer.includes(marker),
              other === index,
              `${marker} in the answer ${JSON.stringify(answer)}`,
            );
        }
      }
      await scene.checkNoDiagnostics();
    },
    'echo',
  );
};
