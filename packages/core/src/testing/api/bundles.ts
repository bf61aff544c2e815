import { canonicalJson } from '../../canonical-json.ts';
import { bundleDigest } from '../../commands/bundles.ts';
import type { Contract } from './contract.ts';

/** A bundle with a valid profile, and with one whose engine is unknown. */
export const PROFILES = {
  id: 'team-docs',
  profiles: {
    companion: { engine: 'scripted', config: { token: 'from the profile' }, tools: ['read'] },
    unknown: { engine: 'absent' },
  },
};
export const DIGEST = bundleDigest(PROFILES);
export const BUNDLE = { id: PROFILES.id, digest: DIGEST };

export const bundleTests = (contract: Contract): void => {
  contract(
    'a profile sets the engine and, unless the request has one, the config, but grants no tools',
    async (t, scene) => {
      await scene.api.putBundle(DIGEST, PROFILES);
      const { worker } = await scene.api.createWorker({ bundle: BUNDLE, profile: 'companion' });
      t.is(worker.engine, 'scripted');
      t.is(worker.profile, 'companion');
      t.deepEqual(worker.bundle, BUNDLE);
      t.deepEqual(worker.tools, []);
      const own = await scene.api.createWorker({
        bundle: BUNDLE,
        profile: 'companion',
        config: { token: 'own' },
        tools: ['read'],
      });
      t.deepEqual(own.worker.tools, ['read']);
      t.true(own.worker.configDigest !== worker.configDigest);
      t.deepEqual(
        scene.engine.sessions.map(({ context }) => context.config),
        [{ token: 'from the profile' }, { token: 'own' }],
      );
    },
  );

  contract(
    'a bundle is stored by the digest of its canonical JSON, and may be put repeatedly',
    async (t, scene) => {
      const bundle = JSON.parse(`{"profiles":{},"id":"${'ü'.repeat(3)}x"}`.replaceAll('ü', 'u')) as {
        id: string;
      };
      const digest = bundleDigest(bundle);
      t.deepEqual(await scene.api.putBundle(digest, bundle), { id: bundle.id, digest });
      t.deepEqual(await scene.api.putBundle(digest, JSON.parse(canonicalJson(bundle)) as typeof bundle), {
        id: bundle.id,
        digest,
      });
      t.deepEqual(await scene.api.getBundle(digest), { id: bundle.id, profiles: {} });
      await scene.api.putBundle(DIGEST, PROFILES);
      const digests = await scene.all((after) => scene.api.listBundles({ after, limit: 1 }));
      t.deepEqual(
        digests.map((item) => item.digest),
        [digest, DIGEST].sort(),
      );
      await scene.refuses('BUNDLE_DIGEST_MISMATCH', 'the digest of another bundle', () =>
        scene.api.putBundle(DIGEST, bundle),
      );
      await scene.refuses('BUNDLE_NOT_FOUND', 'an unknown digest', () =>
        scene.api.getBundle(bundleDigest({ id: 'absent' })),
      );
      await scene.refuses('BUNDLE_NOT_FOUND', 'an invalid digest', () => scene.api.getBundle('sha256-0'));
      for (const unsupported of [
        { id: 'x', prompts: {} },
        { id: 'x', profiles: { a: { engine: 'scripted', model: 'm' } } },
      ]) {
        await scene.refuses('CONFIG_UNSUPPORTED', JSON.stringify(unsupported), () =>
          scene.api.putBundle(bundleDigest(unsupported), unsupported),
        );
      }
      for (const invalid of [{}, { id: 1 }, { id: 'x', profiles: [] }, { id: 'x', profiles: { a: {} } }]) {
        await scene.refuses('INVALID_REQUEST', JSON.stringify(invalid), () =>
          scene.api.putBundle(bundleDigest(invalid), invalid),
        );
      }
    },
  );

  contract(
    "P2: overlapping write claims are refused, except a child's that its parent's engine creates, until the holder stops",
    async (t, scene) => {
      const claim = (resource: string, mode: 'read' | 'write' = 'write') => [
        { name: 'place', resource, mode },
      ];
      const parent = await scene.create({ claims: claim('fs:/srv/docs') });
      const overlapping = ['fs:/srv/docs', 'fs:/srv', 'fs:/srv/docs/a', 'fs:/'];
      for (const resource of overlapping) {
        const details = await scene.refuses('CLAIM_CONFLICT', resource, () =>
          scene.create({ claims: claim(resource) }),
        );
        t.deepEqual(details.workers, [parent]);
        t.true(!JSON.stringify(details).includes('/srv'), 'P19: the error does not contain the resource');
      }
      await scene.create({ claims: claim('fs:/srv/docs2') });
      await scene.create({ claims: claim('git:/srv/docs') });
      await scene.create({ claims: claim('fs:/srv/docs/a', 'read') });
      await scene.refuses('CLAIM_CONFLICT', 'a Worker that names the holder as its parent', () =>
        scene.create({ parent, claims: claim('fs:/srv/docs/a') }),
      );
      const spec = { engine: 'scripted', workerId: 'child', claims: claim('fs:/srv/docs/a') };
      scene.plays({ delegate: [{ type: 'create-child', spec }] });
      const { run } = await scene.api.sendInput(parent, { text: 'delegate' }, { waitMs: 20_000 });
      t.is(run?.outcome, 'completed');
      await scene.api.stopWorker('child');
      await scene.api.stopWorker(parent);
      const other = await scene.create({ claims: claim('fs:/srv/docs') });
      await scene.refuses('CLAIM_CONFLICT', 'a resume after another Worker claimed the resource', () =>
        scene.api.resumeWorker(parent),
      );
      t.is((await scene.api.getWorker(parent)).status, 'stopped');
      await scene.api.stopWorker(other);
      t.is((await scene.api.resumeWorker(parent)).status, 'idle');
    },
  );
};
