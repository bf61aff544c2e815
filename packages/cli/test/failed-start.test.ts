import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { makePlace, run, serve } from './program.ts';

/** A module that keeps its process alive by a timer and a socket. */
const CLINGING = `
import { createServer } from 'node:net';
createServer().listen(0, '127.0.0.1');
setInterval(() => {}, 1_000);
`;

const refuse = (stage: string): string => `() => Promise.reject(new Error('${stage} failed'))`;
const hang = '() => new Promise(() => {})';

/** Plugins that fail or hang at each stage of a start. */
const PLUGINS: Readonly<Record<string, readonly [source: string, message: RegExp]>> = {
  creation: [`() => { throw new Error('creation failed'); }`, /worker-runtime: creation failed$/m],
  apply: [
    `() => ({ name: 'clinging', apply() { throw new Error('apply failed'); } })`,
    /PLUGIN_FAILED: .*"clinging" failed in apply: apply failed$/m,
  ],
  start: [
    `() => ({ name: 'clinging', apply: (host) => host.hooks.start.tapPromise(${refuse('start')}) })`,
    /PLUGIN_FAILED: .*"clinging" failed in start: start failed$/m,
  ],
  'start that hangs': [
    `() => ({ name: 'clinging', apply: (host) => host.hooks.start.tapPromise(${hang}) })`,
    /PLUGIN_TIMEOUT: .*"clinging" took too long in start$/m,
  ],
  opened: [
    `() => ({ name: 'clinging', apply: (host) => host.hooks.opened.tapPromise(${refuse('opened')}) })`,
    /PLUGIN_FAILED: .*"clinging" failed in opened: opened failed$/m,
  ],
  'a release that hangs': [
    `() => ({
       name: 'clinging',
       apply(host) {
         host.defer(${hang});
         host.hooks.opened.tapPromise(${refuse('opened')});
       },
     })`,
    /PLUGIN_FAILED: .*"clinging" failed in opened: opened failed$/m,
  ],
};

const withPlugin = async (t: ExecutionContext, source: string): Promise<string> => {
  const place = await makePlace(t);
  await writeFile(join(place, 'clinging.mjs'), `${CLINGING}\nexport const plugin = ${source};\n`);
  return place;
};

const harmless = `() => ({ name: 'clinging', apply() {} })`;
const loaded = ['--plugin', 'fs-store', '--plugin', 'echo', '--plugin', './clinging.mjs'];
const limits = ['--limits.pluginTimeoutMs', '1000', '--limits.shutdownDeadlineMs', '1000'];

for (const [stage, [source, message]] of Object.entries(PLUGINS)) {
  test(`P4: serve ends with exit code 1 if its start fails, although a plugin clings to the process: ${stage}`, async (t) => {
    const place = await withPlugin(t, source);
    const { code, stdout, stderr } = await run(t, place, [...loaded, ...limits, 'serve', '--port', '0']);
    t.deepEqual([code, stdout], [1, ''], stderr);
    t.regex(stderr, message);
  });
}

test('P4: serve ends although a plugin clings to the process: a locked store, a port in use, a wrong setting', async (t) => {
  const place = await withPlugin(t, harmless);
  await serve(t, place, ['--plugin', 'fs-store', '--fs-store.dir', 'taken']);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as { readonly port: number };
  await writeFile(join(place, 'wrong.mjs'), `${CLINGING}\nexport default { name: 7 };\n`);
  const results = await Promise.all([
    run(t, place, [...loaded, '--fs-store.dir', 'taken', 'serve', '--port', '0']),
    run(t, place, [...loaded, '--fs-store.dir', 'free', 'serve', '--port', String(port)]),
    run(t, place, ['--config', './wrong.mjs', 'serve', '--port', '0']),
  ]);
  t.deepEqual(
    results.map(({ code }) => code),
    [1, 1, 2],
  );
  const [locked, inUse, wrong] = results.map(({ stderr }) => stderr);
  t.regex(locked ?? '', /STORE_LOCKED/);
  t.regex(
    inUse ?? '',
    /Port \d+ is in use: end its program, or choose another port: .*; to see if a runtime uses it, run: \S+ status/m,
  );
  t.regex(wrong ?? '', /name must be a string$/m);
});
