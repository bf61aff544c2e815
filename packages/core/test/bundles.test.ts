import test from 'ava';
import fc from 'fast-check';
import { canonicalJson } from '../src/canonical-json.ts';
import { bundleDigest } from '../src/commands/bundles.ts';
import type { JsonValue } from '../src/contracts/json.ts';
import { RuntimeError } from '../src/contracts/runtime-error.ts';
import type { RuntimeStore } from '../src/contracts/store.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import { faultyStore } from '../src/testing/faulty-store.ts';
import { Puppet } from './fixtures/puppet.ts';
import { codeOf, errorOf, logOf, makeRig, shutDown, startRig } from './fixtures/rig.ts';

/** Vectors of RFC 8785: its sample (3.2.2), its sorting example (3.2.3) and numbers of its appendix B. */
const vectors: readonly (readonly [string, string])[] = [
  [
    '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}',
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  ],
  [
    '{"\\u20ac":"Euro Sign","\\r":"Carriage Return","\\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\\ud83d\\ude00":"Emoji: Grinning Face","\\u0080":"Control","\\u00f6":"Latin Small Letter O With Diaeresis"}',
    '{"\\r":"Carriage Return","1":"One","\u0080":"Control","ö":"Latin Small Letter O With Diaeresis","€":"Euro Sign","😀":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}',
  ],
  ['[0,-0,5e-324,-5e-324,1.7976931348623157e308]', '[0,0,5e-324,-5e-324,1.7976931348623157e+308]'],
  [
    '[9007199254740992,295147905179352825856,9.999999999999997e22,1e23]',
    '[9007199254740992,295147905179352830000,9.999999999999997e+22,1e+23]',
  ],
  [
    '[1e21,999999999999999900000,0.000001,1e-7,333333333.3333332]',
    '[1e+21,999999999999999900000,0.000001,1e-7,333333333.3333332]',
  ],
  ['{"b":{"d":1,"c":[{"z":1,"a":2}]},"a":{}}', '{"a":{},"b":{"c":[{"a":2,"z":1}],"d":1}}'],
  ['{"10":1,"9":2,"__proto__":3}', '{"10":1,"9":2,"__proto__":3}'],
];

test('canonicalJson follows RFC 8785', (t) => {
  for (const [given, canonical] of vectors) t.is(canonicalJson(JSON.parse(given) as JsonValue), canonical);
});

test('canonicalJson keeps the value, is idempotent, and does not depend on the order of keys', (t) => {
  const shuffled = (value: JsonValue): JsonValue => {
    if (Array.isArray(value)) return value.map(shuffled);
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(
      Object.entries(value)
        .reverse()
        .map(([key, member]) => [key, shuffled(member as JsonValue)]),
    );
  };
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
      const json = JSON.parse(JSON.stringify(value)) as JsonValue;
      const canonical = canonicalJson(json);
      t.deepEqual(JSON.parse(canonical), json);
      t.is(canonicalJson(JSON.parse(canonical) as JsonValue), canonical);
      t.is(bundleDigest(shuffled(json)), bundleDigest(json));
    }),
  );
});

test('a digest is the SHA-256 of the canonical form', (t) => {
  t.is(bundleDigest({}), 'sha256-44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a');
});

const bundle = {
  id: 'team',
  profiles: {
    writer: { engine: 'puppet', config: { style: 'plain', depth: { min: 1 } }, tools: ['read'] },
    free: { engine: 'puppet' },
  },
};
const digest = bundleDigest(bundle);
const ref = { id: 'team', digest };

test('a bundle is stored once by its digest, and returned unchanged', async (t) => {
  const { runtime } = await startRig(t);
  t.deepEqual(await runtime.putBundle(digest, bundle), ref);
  t.deepEqual(await runtime.putBundle(digest, { profiles: bundle.profiles, id: 'team' }), ref);
  t.deepEqual(await runtime.getBundle(digest), bundle);
  t.deepEqual((await runtime.listBundles()).items, [{ digest }]);
});

test('bundles are listed in pages', async (t) => {
  const { runtime } = await startRig(t);
  const digests: string[] = [];
  for (const id of ['a', 'b', 'c', 'd', 'e']) {
    await runtime.putBundle(bundleDigest({ id }), { id });
    digests.push(bundleDigest({ id }));
  }
  const found: string[] = [];
  let after: string | null = 'start';
  while (after !== null) {
    const page: Awaited<ReturnType<typeof runtime.listBundles>> = await runtime.listBundles({
      after,
      limit: 2,
    });
    found.push(...page.items.map((item) => item.digest));
    after = page.next;
  }
  t.deepEqual(found, digests.sort());
  t.is(await codeOf(runtime.listBundles({ after: 'nonsense' })), 'CURSOR_INVALID');
});

const other = `sha256-${'0'.repeat(64)}`;
const put = (value: JsonValue): readonly [string, JsonValue] => [bundleDigest(value), value];
const refusedBundles: readonly (readonly [string, readonly [string, JsonValue], string])[] = [
  ['a wrong digest', [other, bundle], 'BUNDLE_DIGEST_MISMATCH'],
  ['an invalid digest', ['nonsense', bundle], 'BUNDLE_DIGEST_MISMATCH'],
  ['a list for its content', put([1]), 'INVALID_REQUEST'],
  ['a missing id', put({ profiles: {} }), 'INVALID_REQUEST'],
  ['an invalid id', put({ id: 'a b' }), 'INVALID_REQUEST'],
  ['an unknown field', put({ id: 'team', prompts: {} }), 'CONFIG_UNSUPPORTED'],
  [
    'an unknown field of a profile',
    put({ id: 'team', profiles: { a: { engine: 'puppet', model: 'x' } } }),
    'CONFIG_UNSUPPORTED',
  ],
  ['a profile without an engine', put({ id: 'team', profiles: { a: {} } }), 'INVALID_REQUEST'],
  ['a profile that is not an object', put({ id: 'team', profiles: { a: 1 } }), 'INVALID_REQUEST'],
  ['profiles that are not an object', put({ id: 'team', profiles: [] }), 'INVALID_REQUEST'],
  [
    'tools that are not a list',
    put({ id: 'team', profiles: { a: { engine: 'puppet', tools: 'all' } } }),
    'INVALID_REQUEST',
  ],
];

for (const [title, [name, value], code] of refusedBundles) {
  test(`a bundle with ${title} is refused with ${code} and not stored`, async (t) => {
    const { runtime } = await startRig(t);
    t.is(await codeOf(runtime.putBundle(name, value)), code as 'none');
    t.deepEqual((await runtime.listBundles()).items, []);
  });
}

test('a profile sets the engine, and the config of the creation is merged over that of the profile', async (t) => {
  const { runtime, puppet } = await startRig(t);
  await runtime.putBundle(digest, bundle);
  const { worker } = await runtime.createWorker({
    bundle: ref,
    profile: 'writer',
    config: { style: 'rich', extra: 1 },
    tools: ['read'],
  });
  t.like(worker, { engine: 'puppet', profile: 'writer', bundle: ref, tools: ['read'] });
  t.deepEqual(puppet.context().config, { style: 'rich', depth: { min: 1 }, extra: 1 });
  t.is(worker.configDigest, bundleDigest({ style: 'rich', depth: { min: 1 }, extra: 1 }));
  const shown = JSON.stringify([worker, await logOf(runtime, worker.workerId)]);
  t.false(shown.includes('style'), 'the config is private');
});

test('only the tools of the creation are granted, and a profile can only limit them', async (t) => {
  const { runtime } = await startRig(t);
  await runtime.putBundle(digest, bundle);
  const create = (profile: string, tools?: readonly string[]) =>
    runtime.createWorker({ bundle: ref, profile, ...(tools && { tools }) });
  t.deepEqual((await create('writer')).worker.tools, [], 'a profile grants no tools');
  const error = await errorOf(create('writer', ['read', 'write']));
  t.like(error, { code: 'CONFIG_UNSUPPORTED', details: { tools: ['write'] } });
  t.deepEqual((await create('free', ['write'])).worker.tools, ['write']);
  t.is(await codeOf(create('free', ['fly'])), 'TOOL_UNKNOWN');
});

test('P18: a creation with an unknown bundle, profile or engine fails with a typed error and creates nothing', async (t) => {
  const { runtime } = await startRig(t);
  await runtime.putBundle(digest, bundle);
  const refused: readonly (readonly [object, string])[] = [
    [{ bundle: { id: 'team', digest: other }, profile: 'writer' }, 'BUNDLE_NOT_FOUND'],
    [{ bundle: { id: 'other', digest }, profile: 'writer' }, 'BUNDLE_DIGEST_MISMATCH'],
    [{ bundle: { id: 'team', digest: 'nonsense' }, profile: 'writer' }, 'INVALID_REQUEST'],
    [{ bundle: ref, profile: 'reader' }, 'PROFILE_INVALID'],
    [{ bundle: ref, profile: 'toString' }, 'PROFILE_INVALID'],
    [{ bundle: ref, profile: 'writer', engine: 'echo' }, 'PROFILE_INVALID'],
    [{ profile: 'writer' }, 'PROFILE_INVALID'],
    [{ profile: 'writer', engine: 'puppet' }, 'PROFILE_INVALID'],
    [{ bundle: ref }, 'INVALID_REQUEST'],
    [{}, 'INVALID_REQUEST'],
  ];
  for (const [request, code] of refused)
    t.is(await codeOf(runtime.createWorker(request)), code as 'none', JSON.stringify(request));
  t.deepEqual((await runtime.listWorkers()).items, []);
  t.is(await codeOf(runtime.getBundle(other)), 'BUNDLE_NOT_FOUND');
  t.is(await codeOf(runtime.getBundle('../../etc/passwd')), 'BUNDLE_NOT_FOUND');
});

test('a config that the engine refuses is refused before anything is written', async (t) => {
  const puppet = new Puppet({
    checkConfig: (config) => {
      if ('style' in config) throw new RuntimeError('CONFIG_UNSUPPORTED', 'There is no style here');
    },
  });
  const store = faultyStore(memoryStore());
  const { runtime } = await startRig(t, { store, engines: [puppet] });
  await runtime.putBundle(digest, bundle);
  const error = await errorOf(runtime.createWorker({ bundle: ref, profile: 'writer' }));
  t.like(error, { code: 'CONFIG_UNSUPPORTED', message: 'There is no style here' });
  t.false(store.calls.some((call) => call.method === 'create'));
});

/** Returns a store whose every bundle has this body, or that has no bundle if it is null. */
const withBundle = (inner: RuntimeStore, body: string | null): RuntimeStore =>
  new Proxy(inner, {
    get: (store, name: keyof RuntimeStore) => {
      if (name === 'bundle') return async () => (body === null ? null : Buffer.from(body));
      const member: unknown = store[name];
      return typeof member === 'function' ? member.bind(store) : member;
    },
  });

test('P7: a Worker keeps its config even if the bundle is no longer there', async (t) => {
  const store = memoryStore();
  const first = makeRig({ store });
  await first.runtime.start();
  await first.runtime.putBundle(digest, bundle);
  await first.runtime.createWorker({ workerId: 'w', bundle: ref, profile: 'writer' });
  await shutDown(first);
  const { runtime, puppet } = await startRig(t, { store: withBundle(store, null) });
  t.is(await codeOf(runtime.getBundle(digest)), 'BUNDLE_NOT_FOUND');
  await runtime.sendInput('w', { text: 'go' });
  t.deepEqual(puppet.context('w').config, bundle.profiles.writer.config);
});

for (const body of ['{"id":"team","profiles":{}}', '{"id":', '', '[]', 'null']) {
  test(`P13: a stored bundle that was changed to ${body || 'nothing'} fails with STORE_CORRUPT`, async (t) => {
    const { runtime } = await startRig(t, { store: withBundle(memoryStore(), body) });
    await runtime.putBundle(digest, bundle);
    t.is(await codeOf(runtime.getBundle(digest)), 'STORE_CORRUPT');
    t.is(await codeOf(runtime.createWorker({ bundle: ref, profile: 'writer' })), 'STORE_CORRUPT');
  });
}
