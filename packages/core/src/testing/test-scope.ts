import type { Question } from '../contracts/engine.ts';
import type { RuntimeApi } from '../contracts/runtime-api.ts';
import { type Allowance, EVERYTHING } from '../scope/allowance.ts';
import type { Scope } from '../scope/scope.ts';
import { BUNDLE, DIGEST, PROFILES } from './api/bundles.ts';
import type { RuntimeApiHarness } from './api/harness.ts';
import { Scene } from './api/scene.ts';
import { Watcher } from './api/watcher.ts';
import { type Declare, declareOn } from './declare.ts';
import type { TestContext, TestFunction } from './store/harness.ts';

/** A running runtime, and its API as it exists for callers. `api` is the API for a caller without restrictions. */
export interface ScopeHarness extends Omit<RuntimeApiHarness, 'restart' | 'kill'> {
  /** Returns the API for a caller with this scope. */
  as(scope: Scope): Promise<RuntimeApi>;
}

class ScopeScene extends Scene {
  readonly as: (scope: Partial<Scope>) => Promise<RuntimeApi>;

  constructor(t: TestContext, harness: ScopeHarness) {
    super(t, harness);
    this.as = (scope) => harness.as({ permissions: ['admin'], workers: '*', stamp: {}, ...scope });
  }
}

const blue = { team: 'blue' };
const red = { team: 'red' };
const BLUE: Partial<Scope> = { workers: [blue], stamp: blue };

const BYTES = Buffer.from('the bytes of a file');

const question: Question = { kind: 'question', prompt: 'Well?', options: ['yes'] };

/** Every call about one Worker. */
const callsAbout = (api: RuntimeApi, workerId: string): Readonly<Record<string, () => Promise<unknown>>> => ({
  getWorker: () => api.getWorker(workerId),
  updateWorker: () => api.updateWorker(workerId, { displayName: 'Ada' }),
  deleteWorker: () => api.deleteWorker(workerId),
  sendInput: () => api.sendInput(workerId, { text: 'hello' }),
  'sendInput with a key': () => api.sendInput(workerId, { text: 'hello' }, { idempotencyKey: 'k' }),
  getRun: () => api.getRun(workerId, 'run_1'),
  waitForRun: () => api.waitForRun(workerId, 'run_1', { waitMs: 1 }),
  cancelRun: () => api.cancelRun(workerId),
  stopWorker: () => api.stopWorker(workerId),
  resumeWorker: () => api.resumeWorker(workerId),
  listRequests: () => api.listRequests(workerId),
  respond: () => api.respond(workerId, 'request_1', { decision: 'yes' }),
  events: () => api.events(workerId),
  'events after a cursor': () => api.events(workerId, { after: 'nonsense' }),
  transcript: () => api.transcript(workerId),
  overview: () => api.overview(workerId),
  putFile: () => api.putFile(workerId, BYTES, { mediaType: 'text/plain' }),
  getFile: () => api.getFile(workerId, `sha256-${'0'.repeat(64)}`),
  observe: async () => {
    for await (const _ of api.observe(workerId)) return;
  },
});

const outcomeOf = async (call: () => Promise<unknown>, workerId: string): Promise<string> => {
  try {
    return JSON.stringify(await call()) ?? 'nothing';
  } catch (error) {
    const { code, message, details } = error as {
      readonly code?: unknown;
      readonly message?: unknown;
      readonly details?: unknown;
    };
    return JSON.stringify({ code, message, details }).replaceAll(workerId, '<id>');
  }
};

/**
 * Declares the contract of scopes as tests: what does not exist for a caller, and what the caller may not do. The scoped
 * embedded runtime and every transport that carries a scope call it in a test file.
 * @example
 * testScope(test, async () => {
 *   const runtime = await start();
 *   return { api: runtime, as: async (scope) => scoped(runtime, scope), engine, dispose: () => runtime.stop() };
 * });
 */
export const testScope = (test: TestFunction, makeHarness: () => Promise<ScopeHarness>): void => {
  const contract: Declare<ScopeScene, never> = declareOn(
    test,
    {},
    async (t) => new ScopeScene(t, await makeHarness()),
  );

  contract(
    'P31: each call about a Worker outside of the scope fails as for one that does not exist',
    async (t, scene) => {
      const api = await scene.as(BLUE);
      await scene.create({ workerId: 'foreign', labels: red });
      await scene.create({ workerId: 'plain' });
      await scene.create({ workerId: 'almost', labels: { team: 'blue2', other: 'blue' } });
      const missing = callsAbout(api, 'missing');
      for (const workerId of ['foreign', 'plain', 'almost']) {
        const before = await scene.log(workerId);
        for (const [name, call] of Object.entries(callsAbout(api, workerId)))
          t.is(
            await outcomeOf(call, workerId),
            await outcomeOf(missing[name] as typeof call, 'missing'),
            `${name} of ${workerId}`,
          );
        t.deepEqual(await scene.log(workerId), before);
      }
    },
  );

  contract(
    'P31: the files of a Worker outside of the scope cannot be read, also by their digests',
    async (t, scene) => {
      const api = await scene.as(BLUE);
      await scene.create({ workerId: 'own', labels: blue });
      await scene.create({ workerId: 'foreign', labels: red });
      const file = await scene.api.putFile('foreign', BYTES, { mediaType: 'text/plain' });
      await scene.refuses('WORKER_NOT_FOUND', 'the file of the other Worker', () =>
        api.getFile('foreign', file.digest),
      );
      await scene.refuses('FILE_NOT_FOUND', 'its digest in an own Worker', () =>
        api.getFile('own', file.digest),
      );
      await scene.refuses('FILE_NOT_FOUND', 'an input with its digest', () =>
        api.sendInput('own', { parts: [file] }),
      );
      // the media type that the other Worker has for the same bytes is not revealed either
      const own = await api.putFile('own', BYTES, { mediaType: 'image/png' });
      t.deepEqual([own.digest, own.mediaType], [file.digest, 'image/png']);
      await scene.api.updateWorker('foreign', { labels: blue });
      t.is((await api.getFile('foreign', file.digest)).mediaType, 'text/plain');
    },
  );

  contract('P31: lists, counts and pages have only the Workers of the scope', async (t, scene) => {
    const api = await scene.as({ workers: [blue, { owner: 'ada', kind: 'bot' }] });
    const own: string[] = [];
    for (let n = 0; n < 24; n += 1) {
      const labels = [red, blue, { owner: 'ada' }, { owner: 'ada', kind: 'bot', ...red }][n % 4] ?? {};
      const workerId = await scene.create({ workerId: `w${String(n).padStart(2, '0')}`, labels });
      if (n % 2 === 1) own.push(workerId);
    }
    await scene.api.stopWorker('w01');
    await scene.api.stopWorker('w00');
    for (const limit of [1, 3, 5, 100]) {
      const items = await scene.all((after) => api.listWorkers({ after, limit }));
      t.deepEqual(
        items.map(({ workerId }) => workerId),
        own,
      );
    }
    t.deepEqual((await api.summary()).workers, { total: 12, idle: 11, running: 0, waiting: 0, stopped: 1 });
    t.deepEqual(
      (await api.listWorkers({ status: 'stopped' })).items.map(({ workerId }) => workerId),
      ['w01'],
    );
    const child = { parent: 'w00', labels: blue };
    await scene.create({ workerId: 'child', ...child });
    t.deepEqual((await api.listWorkers({ parent: 'w00' })).items, []);
    t.deepEqual((await api.listWorkers({ parent: 'missing' })).items, []);
  });

  contract(
    'P31: the open requests of all Workers, and lists with overviews, are those of the scope',
    async (t, scene) => {
      const api = await scene.as(BLUE);
      scene.plays({ ask: [{ type: 'ask', question }] });
      const names = ['w0', 'w1', 'w2', 'w3', 'w4', 'w5'];
      for (const [at, workerId] of names.entries()) {
        await scene.create({ workerId, labels: at % 3 === 1 ? blue : red });
        await scene.api.sendInput(workerId, { text: 'ask' });
        await scene.requestOf(workerId);
      }
      for (const limit of [1, 2, 50]) {
        t.deepEqual(
          (await scene.all((after) => scene.api.listOpenRequests({ after, limit }))).map(
            ({ workerId }) => workerId,
          ),
          names,
        );
        t.deepEqual(
          (await scene.all((after) => api.listOpenRequests({ after, limit }))).map(
            ({ workerId }) => workerId,
          ),
          ['w1', 'w4'],
        );
        const listed = await scene.all((after) => api.listWorkers({ include: 'overview', after, limit }));
        t.deepEqual(
          listed.map(({ workerId, overview }) => [workerId, overview]),
          [
            ['w1', await api.overview('w1')],
            ['w4', await api.overview('w4')],
          ],
        );
      }
      const stranger = await scene.as({ permissions: [] });
      await scene.refuses('FORBIDDEN', 'a list of requests', () => stranger.listOpenRequests());
    },
  );

  contract('P31: the usage of Workers outside of the scope does not exist', async (t, scene) => {
    const api = await scene.as({ workers: [blue, { owner: 'ada' }] });
    for (const [workerId, labels] of [
      ['own', blue],
      ['foreign', red],
      ['ada', { owner: 'ada', ...red }],
    ] as const) {
      await scene.create({ workerId, labels });
      await scene.say(workerId, 'hello');
    }
    const namesOf = async (labels?: Readonly<Record<string, string>>): Promise<readonly string[]> => {
      const report = await api.usage(labels && { labels });
      t.is(report.workersWithUsage, report.workers.length);
      // each of them has used the same
      t.is(report.days[0]?.outputTokens ?? 0, 2 * report.workers.length);
      return report.workers.map(({ workerId }) => workerId).toSorted();
    };
    t.deepEqual(await namesOf(), ['ada', 'own']);
    t.deepEqual(await namesOf(red), ['ada']);
    t.is((await scene.api.usage()).workersWithUsage, 3);
    const stranger = await scene.as({ permissions: [] });
    await scene.refuses('FORBIDDEN', 'a report of usage', () => stranger.usage());
  });

  contract('P31: diagnostics of Workers outside of the scope do not exist', async (t, scene) => {
    const api = await scene.as(BLUE);
    scene.plays({ fail: [{ type: 'throw', error: new TypeError('broken') }] });
    for (const [workerId, labels] of [
      ['own', blue],
      ['foreign', red],
      ['own2', blue],
    ] as const) {
      await scene.create({ workerId, labels });
      await scene.say(workerId, 'fail');
    }
    const all = await scene.all((after) => scene.api.diagnostics({ after, limit: 1 }));
    t.true(all.some(({ worker }) => worker === 'foreign'));
    for (const limit of [1, 2, 50])
      t.deepEqual(
        (await scene.all((after) => api.diagnostics({ after, limit }))).map(({ worker }) => worker),
        ['own2', 'own'],
      );
    t.is((await api.summary()).diagnostics, 2);
  });

  contract(
    'a creation gets the labels of the stamp, and cannot be made outside of the scope',
    async (t, scene) => {
      const api = await scene.as({ workers: [blue], stamp: { ...blue, owner: 'ada' } });
      const engine = scene.engine.name;
      const { worker } = await api.createWorker({ engine, labels: { task: 'x' } });
      t.deepEqual(worker.labels, { task: 'x', team: 'blue', owner: 'ada' });
      t.deepEqual((await api.createWorker({ engine, labels: blue })).worker.labels, {
        team: 'blue',
        owner: 'ada',
      });
      await scene.refuses('INVALID_REQUEST', 'another value of a stamped label', () =>
        api.createWorker({ engine, labels: { owner: 'bob' } }),
      );
      const unstamped = await scene.as({ workers: [blue] });
      await scene.refuses('FORBIDDEN', 'a creation without the labels of the scope', () =>
        unstamped.createWorker({ engine }),
      );
      await scene.create({ workerId: 'foreign', labels: red });
      const underForeign = await scene.refuses('INVALID_REQUEST', 'a parent outside of the scope', () =>
        api.createWorker({ engine, parent: 'foreign' }),
      );
      const underMissing = await scene.refuses('INVALID_REQUEST', 'a parent that does not exist', () =>
        api.createWorker({ engine, parent: 'missing' }),
      );
      t.deepEqual(underForeign, underMissing);
    },
  );

  contract('an update can neither leave the scope nor change a label of the stamp', async (t, scene) => {
    const api = await scene.as(BLUE);
    const { worker } = await api.createWorker({ engine: scene.engine.name, labels: { task: 'x' } });
    const { workerId } = worker;
    t.deepEqual((await api.updateWorker(workerId, { labels: { task: 'y' } })).labels, {
      task: 'y',
      team: 'blue',
    });
    t.deepEqual((await api.updateWorker(workerId, { displayName: 'Ada' })).labels, {
      task: 'y',
      team: 'blue',
    });
    await scene.refuses('INVALID_REQUEST', 'another value of a stamped label', () =>
      api.updateWorker(workerId, { labels: red }),
    );
    const unstamped = await scene.as({ workers: [blue] });
    await scene.refuses('FORBIDDEN', 'an update that leaves the scope', () =>
      unstamped.updateWorker(workerId, { labels: {} }),
    );
    t.deepEqual((await api.getWorker(workerId)).labels, { task: 'y', team: 'blue' });
  });

  contract(
    'P31: an open stream ends as for a deleted Worker when the Worker leaves the scope',
    async (t, scene) => {
      const api = await scene.as(BLUE);
      const workerId = await scene.create({ labels: blue });
      const ends: unknown[] = [];
      const types: string[] = [];
      let read: () => void = () => {};
      const reading = new Promise<void>((resolve) => {
        read = resolve;
      });
      const stream = (async () => {
        for await (const item of api.observe(workerId, { after: 'start' })) {
          if (item.type === 'event') types.push(item.event.type);
          if (item.type === 'ended') ends.push(item.code);
          if (types.includes('worker.created')) read();
        }
      })();
      await reading;
      await scene.api.updateWorker(workerId, { labels: red });
      await scene.say(workerId, 'secret');
      await stream;
      t.deepEqual(ends, ['WORKER_NOT_FOUND']);
      t.true(!types.includes('input.accepted'), types.join());
      await scene.refuses('WORKER_NOT_FOUND', 'the next stream', async () => {
        for await (const _ of api.observe(workerId)) return;
      });
    },
  );

  contract(
    'P31: a watch delivers the Workers of the scope, and their arrival and departure',
    async (t, scene) => {
      const api = await scene.as(BLUE);
      await scene.create({ workerId: 'own', labels: blue });
      await scene.create({ workerId: 'foreign', labels: red });
      const watcher = new Watcher(t, api);
      await watcher.synced(({ workers }) => workers.has('own'));
      t.deepEqual([...watcher.workers.keys()], ['own']);

      // changes outside of the scope send nothing, not even a position
      const before = watcher.items.length;
      await scene.say('foreign', 'hello');
      await scene.create({ workerId: 'foreign2', labels: red });
      await scene.api.stopWorker('foreign2');
      await scene.api.deleteWorker('foreign2');
      await scene.api.updateWorker('own', { displayName: 'Ada' });
      await watcher.synced(({ workers }) => workers.get('own')?.displayName === 'Ada');
      t.deepEqual(
        watcher.items.slice(before).map(({ type }) => type),
        ['worker', 'synced'],
      );

      await scene.api.updateWorker('foreign', { labels: blue });
      await watcher.synced(({ workers }) => workers.has('foreign'));
      await scene.api.updateWorker('own', { labels: red });
      await watcher.synced(({ workers }) => !workers.has('own'));
      t.deepEqual([...watcher.workers.keys()], ['foreign']);
      await watcher.close();

      // between two watches a Worker may have left the scope, so a resumed one starts over
      const resumed = new Watcher(t, api, watcher.cursor ?? undefined);
      await resumed.synced(({ workers }) => workers.has('foreign'));
      t.is(resumed.items[0]?.type, 'reset');
      t.deepEqual([...resumed.workers.keys()], ['foreign']);
      await resumed.close();
    },
  );

  contract('P31: a conflict of claims does not name Workers outside of the scope', async (t, scene) => {
    const api = await scene.as(BLUE);
    const claims = [{ name: 'docs', resource: 'fs:/srv/docs', mode: 'write' }] as const;
    await scene.create({ workerId: 'foreign', labels: red, claims });
    const create = () => api.createWorker({ engine: scene.engine.name, claims });
    const details = await scene.refuses('CLAIM_CONFLICT', 'a claim that is taken', create);
    t.true(!JSON.stringify(details).includes('foreign'), JSON.stringify(details));
    await scene.api.updateWorker('foreign', { labels: blue });
    t.deepEqual((await scene.refuses('CLAIM_CONFLICT', 'the same claim', create)).workers, ['foreign']);
  });

  const NOTHING: Allowance = { engines: [], tools: [], claims: [] };

  contract(
    'P65: a creation has only the engine, the tools and the claims that the scope allows, also by a profile',
    async (t, scene) => {
      const engine = scene.engine.name;
      const claimOf = (resource: string) => ({ name: 'docs', resource, mode: 'read' }) as const;
      const as = (allowance: Partial<Allowance>) =>
        scene.as({ allowance: { ...EVERYTHING, ...allowance }, stamp: blue });
      const none = await as(NOTHING);
      t.deepEqual(await scene.refuses('FORBIDDEN', 'an engine', () => none.createWorker({ engine })), {
        engine,
      });
      await scene.refuses('FORBIDDEN', 'an engine that does not exist', () =>
        none.createWorker({ engine: 'nowhere' }),
      );
      const reader = await as({ engines: [engine], tools: ['read'], claims: ['fs:/srv/a', 'fs:/srv/b/'] });
      t.deepEqual(
        await scene.refuses('FORBIDDEN', 'a tool', () =>
          reader.createWorker({ engine, tools: ['read', 'write'] }),
        ),
        { tool: 'write' },
      );
      for (const resource of ['fs:/srv', 'fs:/srv/ab', 'fs:/srv/c/fs:/srv/a', 'git:/srv/a', 'fs:/'])
        t.deepEqual(
          await scene.refuses('FORBIDDEN', resource, () =>
            reader.createWorker({
              engine,
              claims: [claimOf('fs:/srv/a'), { ...claimOf(resource), name: 'x' }],
            }),
          ),
          { claim: 'x' },
        );
      await scene.refuses('INVALID_REQUEST', 'a path with dots', () =>
        reader.createWorker({ engine, claims: [claimOf('fs:/srv/a/../c')] }),
      );
      const claims = ['fs:/srv/a', 'fs:/srv/a/deep/er/', 'fs:/srv/b'].map(claimOf);
      const { worker } = await reader.createWorker({ engine, tools: ['read'], claims });
      t.deepEqual([worker.tools, worker.claims.length], [['read'], 3]);
      // a profile decides the engine, which the request does not name
      await scene.api.putBundle(DIGEST, PROFILES);
      const bare = await as({ tools: [] });
      const byProfile = { bundle: BUNDLE, profile: 'companion' };
      await scene.refuses('FORBIDDEN', 'the engine of a profile', () => none.createWorker(byProfile));
      await scene.refuses('FORBIDDEN', 'a tool with a profile', () =>
        bare.createWorker({ ...byProfile, tools: ['read'] }),
      );
      t.is((await reader.createWorker({ ...byProfile, tools: ['read'] })).worker.engine, engine);
      t.is((await scene.api.summary()).workers.total, 2, 'a refused creation leaves nothing');
    },
  );

  contract(
    'P65: a change grants only tools, and configures only engines, that the scope allows',
    async (t, scene) => {
      const engine = scene.engine.name;
      const workerId = await scene.create({ tools: ['write'], labels: blue });
      const before = await scene.api.getWorker(workerId);
      const reader = await scene.as({ ...BLUE, allowance: { ...EVERYTHING, tools: ['read'] } });
      const other = await scene.as({ ...BLUE, allowance: { ...EVERYTHING, engines: ['other'] } });
      t.deepEqual(
        await scene.refuses('FORBIDDEN', 'a config for another engine', () =>
          other.updateWorker(workerId, { config: { token: 'x' }, displayName: 'Ada' }),
        ),
        { engine },
      );
      await scene.refuses('FORBIDDEN', 'a tool of another engine', () =>
        other.updateWorker(workerId, { tools: ['write', 'read'] }),
      );
      t.deepEqual(await scene.api.getWorker(workerId), before);
      // tools that the Worker has may stay, and any tool may be taken away
      t.deepEqual((await reader.updateWorker(workerId, { tools: ['write', 'read'] })).tools, [
        'write',
        'read',
      ]);
      t.deepEqual((await other.updateWorker(workerId, { tools: ['read'] })).tools, ['read']);
      t.deepEqual(
        await scene.refuses('FORBIDDEN', 'a tool that was taken away', () =>
          reader.updateWorker(workerId, { tools: ['read', 'write'] }),
        ),
        { tool: 'write' },
      );
      t.is((await other.updateWorker(workerId, { displayName: 'Ada', labels: blue })).displayName, 'Ada');
      t.deepEqual((await reader.updateWorker(workerId, { config: { token: 'y' } })).tools, ['read']);
    },
  );

  contract('P65: a runtime reports the engines and the tools that the scope allows', async (t, scene) => {
    const summaryAs = async (allowance: Partial<Allowance>) =>
      (await scene.as({ allowance: { ...EVERYTHING, ...allowance } })).summary();
    const all = await scene.api.summary();
    t.deepEqual(await summaryAs({ claims: [] }), all);
    const reading = await summaryAs({ tools: ['read'] });
    t.deepEqual(reading.capabilities.tools.available, ['read']);
    t.deepEqual(
      reading.engines.map(({ name, capabilities }) => [name, capabilities.tools]),
      [[scene.engine.name, ['read']]],
    );
    const none = await summaryAs(NOTHING);
    t.deepEqual([none.engines, none.capabilities.access.filesystem], [[], false]);
    t.deepEqual(none.workers, all.workers);
  });

  contract('the same idempotency key of two scopes makes two Workers', async (t, scene) => {
    const engine = scene.engine.name;
    const own = await scene.as(BLUE);
    const others = await scene.as({ workers: [red], stamp: red });
    const first = await own.createWorker({ engine }, { idempotencyKey: 'k' });
    const second = await others.createWorker({ engine }, { idempotencyKey: 'k' });
    const again = await own.createWorker({ engine }, { idempotencyKey: 'k' });
    t.true(first.worker.workerId !== second.worker.workerId);
    t.is(again.worker.workerId, first.worker.workerId);
    t.is(again.replayed, true);
  });

  contract('permissions refuse the calls that they do not include', async (t, scene) => {
    scene.plays({ ask: [{ type: 'ask', question }] });
    const workerId = await scene.create();
    await scene.api.sendInput(workerId, { text: 'ask' });
    const requestId = await scene.requestOf(workerId);
    const observer = await scene.as({ permissions: ['observe'] });
    const operator = await scene.as({ permissions: ['operate'] });
    const answerer = await scene.as({ permissions: ['answer'] });
    for (const api of [observer, operator, answerer]) {
      t.is((await api.getWorker(workerId)).workerId, workerId);
      await scene.refuses('FORBIDDEN', 'a deletion', () => api.deleteWorker(workerId));
    }
    for (const api of [observer, answerer]) {
      await scene.refuses('FORBIDDEN', 'a creation', () => api.createWorker({ engine: scene.engine.name }));
      await scene.refuses('FORBIDDEN', 'an input', () => api.sendInput(workerId, { text: 'hello' }));
      await scene.refuses('FORBIDDEN', 'a stop', () => api.stopWorker(workerId));
      await scene.refuses('FORBIDDEN', 'a file', () =>
        api.putFile(workerId, BYTES, { mediaType: 'image/png' }),
      );
    }
    for (const api of [observer, operator])
      await scene.refuses('FORBIDDEN', 'an answer', () =>
        api.respond(workerId, requestId, { decision: 'yes' }),
      );
    t.deepEqual(await answerer.respond(workerId, requestId, { decision: 'yes' }), { changed: true });
    await scene.happens(workerId, 'run.finished');
    await operator.stopWorker(workerId);
    await (await scene.as({})).deleteWorker(workerId);
    await scene.refuses('WORKER_NOT_FOUND', 'the deleted Worker', () => scene.api.getWorker(workerId));
  });

  contract('bundles exist only for callers of all Workers', async (t, scene) => {
    const api = await scene.as(BLUE);
    const digest = `sha256-${'0'.repeat(64)}`;
    t.deepEqual((await api.listBundles()).items, []);
    await scene.refuses('FORBIDDEN', 'a read', () => api.getBundle(digest));
    await scene.refuses('FORBIDDEN', 'an upload', () => api.putBundle(digest, {}));
  });
};
