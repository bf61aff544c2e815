/** Wrong configurations are refused by name, with what to do. */

import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import test from 'ava';
import { Backend, type BackendConfig, defineBackend } from '../src/index.ts';
import { makeFolder, parrot, start } from './scene.ts';

test('a wrong configuration is refused by name, and nothing is left behind', async (t) => {
  const folder = await makeFolder(t);
  const refused: readonly (readonly [object, RegExp])[] = [
    [
      { colour: 'red' },
      /backend\.colour does not exist; the options are listen, dataDir, workspaces, runtimes, issuer, oidc, policy, prices/,
    ],
    [{ listen: { hots: 'x' } }, /listen\.hots does not exist; the options are host, port, publicUrl/],
    [
      { listen: { trustedProxies: 'the proxy' } },
      /listen\.trustedProxies must be a list of addresses or ranges/,
    ],
    [{ listen: { trustedProxies: ['10.0.0.0/99'] } }, /listen\.trustedProxies must be/],
    [{ listen: { trustedProxies: ['0.0.0.0/0'] } }, /listen\.trustedProxies must be/],
    [{ listen: { port: 70_000 } }, /listen\.port/],
    [{ listen: { host: '0.0.0.0' } }, /beyond loopback: set listen\.publicUrl/],
    [{ listen: { publicUrl: 'agents.example' } }, /listen\.publicUrl must be an address/],
    [{ listen: { publicUrl: 'https://agents.example/path' } }, /without a path/],
    [{ workspaces: {} }, /must have a workspace/],
    [{ workspaces: { Acme: {} } }, /The id "Acme" of a workspace must match/],
    [{ workspaces: { acme: { store: 'x' } } }, /workspaces\.acme\.store does not exist/],
    [
      { workspaces: { acme: { plugins: ['fs-store'] } } },
      /has "fs-store", which is a part of the backend already/,
    ],
    [{ workspaces: { acme: { plugins: ['echo'] } } }, /gives plugins by name/],
    [{ workspaces: { acme: { companion: {} } } }, /workspaces\.acme\.companion\.engine is missing/],
    [{ workspaces: { acme: { companion: { engine: 'x', tools: [] } } } }, /companion\.tools does not exist/],
    [{ workspaces: { acme: { limits: { dreams: 1 } } } }, /dreams/],
    [
      { workspaces: { acme: { storeRoot: 'x' }, other: { storeRoot: './x' } } },
      /"acme" and "other" need directories apart/,
    ],
    [{ workspaces: { acme: { storeRoot: 'x/y' }, other: { storeRoot: 'x' } } }, /need directories apart/],
    [{ policy: 7 }, /backend\.policy must be/],
    [{ policy: 'nowhere.json' }, /cannot be opened \(ENOENT\)/],
    [{ auditBytes: 1 }, /backend\.auditBytes/],
    [{ prices: { models: {} } }, /backend\.prices must have a currency/],
  ];
  for (const [config, message] of refused) {
    const given = { listen: { port: 0 }, dataDir: 'data', ...config } as BackendConfig;
    const error = await t.throwsAsync(Backend.start(given, { folder }), { message }, JSON.stringify(config));
    t.is((error as { readonly code?: string }).code, 'INVALID_REQUEST');
  }
  const backend = await start(t, folder);
  t.is(backend.runtime().status, 'running');
});

test('a port in use is refused, and everything that was started is released', async (t) => {
  const folder = await makeFolder(t);
  const other = createServer().listen(0, '127.0.0.1');
  t.teardown(() => other.close());
  await new Promise((resolve) => other.once('listening', resolve));
  const { port } = other.address() as AddressInfo;
  await t.throwsAsync(start(t, folder, { listen: { port } }), {
    message: `Port ${port} is in use: end its program, or choose another port`,
  });
  const backend = await start(t, folder);
  t.is(backend.runtime().status, 'running');
});

test('a workspace that cannot start ends the start, and releases the others', async (t) => {
  const folder = await makeFolder(t);
  await writeFile(join(folder, 'a-file'), '');
  const config = { workspaces: { default: {}, acme: { storeRoot: 'a-file' } } };
  await t.throwsAsync(start(t, folder, config), { message: /./ });
  const backend = await start(t, folder);
  t.is(backend.runtime().status, 'running');
});

test('files of sessions and tokens with other content are refused, not replaced', async (t) => {
  const folder = await makeFolder(t);
  await mkdir(join(folder, 'backend'));
  for (const content of [
    '',
    '{}',
    '[]',
    '{"version":2,"credentials":[]}',
    '{"version":1,"credentials":[{}]}',
  ]) {
    await writeFile(join(folder, 'backend', 'credentials.json'), content);
    await t.throwsAsync(
      start(t, folder),
      { message: /is not valid: .*; without it, people log in again/ },
      content,
    );
  }
});

test('without a configuration there is one workspace with the files of serve, below the data folder of the user', async (t) => {
  const folder = await makeFolder(t);
  const backend = await Backend.start(
    defineBackend({ listen: { port: 0 }, workspaces: { default: { plugins: [parrot()] } } }),
    {
      folder,
      environment: { XDG_DATA_HOME: folder },
    },
  );
  t.teardown(() => backend.stop());
  t.deepEqual((await readdir(join(folder, 'worker-runtime'))).sort(), ['backend', 'default']);
  t.throws(() => backend.runtime('acme'), { message: /There is no workspace "acme"/ });
});
