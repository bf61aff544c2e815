import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportRuntime, importRuntime } from '../../archive/runtime-archive.ts';
import { mintId } from '../../id.ts';
import { memoryStore } from '../../memory-store/memory-store.ts';
import type { Contract } from './contract.ts';

const BIG = 'x'.repeat(70_000);

/** Tests of what archives need: ids that are given, and a content that is the same in every store. */
export const archivingTests = (contract: Contract): void => {
  contract('a new store keeps the id that it is given, and refuses another one', async (t, scene) => {
    const another = scene.another();
    const runtimeId = mintId('runtime');
    const store = await another.unopened();
    const opened = await store.open({ ...another.host, runtimeId });
    await store.close();
    t.is(opened.runtimeId, runtimeId);
    const again = await another.unopened();
    t.is((await again.open({ ...another.host, runtimeId })).runtimeId, runtimeId);
    await again.close();
    const third = await another.unopened();
    await scene.refuses('STORE_CONFLICT', 'another id', () =>
      third.open({ ...another.host, runtimeId: mintId('runtime') }),
    );
  });

  contract('P74: an archive fills an empty store of any kind with everything', async (t, scene) => {
    const folder = await mkdtemp(join(tmpdir(), 'archives-'));
    t.teardown(() => rm(folder, { recursive: true, force: true }));
    await scene.begin('log_a', ['created', 'é 👍'], { hasKeys: true, record: { config: ['deep', null] } });
    await scene.begin('log_b', ['created']);
    await scene.begin('log_c', ['to be removed']);
    for (let round = 0; round < 12; round += 1) await scene.add('log_a', [BIG, `round ${round}`], true);
    await scene.remove('log_c');
    const blob = Buffer.from(`${BIG}\0\xff`, 'latin1');
    await scene.store.putBlob('log_a', 'file-1', blob);
    await scene.store.putBlob('log_b', 'file-2', Buffer.alloc(0));
    await scene.store.putPluginState('webhooks', Buffer.from('{"sent":1}'));
    await scene.store.putBundle({ digest: 'd'.repeat(64), body: Buffer.from('{"a":1}') });
    await scene.close();
    const between = memoryStore();
    const first = await exportRuntime(await scene.unopened(), join(folder, 'first'));
    const moved = await importRuntime(first.path, between);
    t.is(moved.runtimeId, scene.runtimeId, 'a moved runtime keeps its id');
    const second = await exportRuntime(between, join(folder, 'second'));
    t.deepEqual(second.end, first.end);
    const target = scene.another();
    const copy = await importRuntime(second.path, await target.unopened(), { isCopy: true });
    t.true(copy.runtimeId !== scene.runtimeId, 'a copy has an id of its own');
    for (const [log, model] of scene.models) target.models.set(log, model);
    await target.open();
    t.is(target.runtimeId, copy.runtimeId);
    await target.checkListing();
    await target.checkAll();
    await target.checkKeys('log_a');
    t.deepEqual(await target.store.blobs('log_a'), ['file-1']);
    scene.checkBytes((await target.store.blob('log_a', 'file-1')) ?? new Uint8Array(0), blob, 'a blob');
    t.is((await target.store.blob('log_b', 'file-2'))?.length, 0);
    t.is(Buffer.from((await target.store.pluginState('webhooks')) ?? []).toString(), '{"sent":1}');
    t.deepEqual(await target.store.bundles(), ['d'.repeat(64)]);
    await target.add('log_a', ['continues']);
    await target.reopen();
    await target.checkListing();
    await scene.refuses('STORE_LOCKED', 'a store that is open', async () =>
      exportRuntime(target.store, join(folder, 'third')),
    );
    await target.close();
    const full = await target.unopened();
    await scene.refuses('INVALID_REQUEST', 'a store that is not empty', () =>
      importRuntime(first.path, full, { isCopy: true }),
    );
  });
};
