/** The console behind a login, in a real Chromium, where one is installed. */
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { memoryStore, Runtime, type RuntimePlugin } from '@worker-runtime/core';
import { scriptedEngine } from '@worker-runtime/core/testing';
import { http } from '@worker-runtime/plugin-http';
import { wsObservation } from '@worker-runtime/plugin-ws';
import { Identity } from '@worker-runtime/registry';
import { browserTest } from '@worker-runtime/test-environment/browser';
import { sharedBrowser, TIMEOUT_MS } from '@worker-runtime/test-environment/chromium';
import { exclusions } from '@worker-runtime/test-environment/exclusions';
import type { ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import { Browser, makeFolder, OPERATOR, send, start } from '../scene.ts';

/** An engine whose runs ask for a permission and then report. */
const asking = (): RuntimePlugin => {
  const engine = scriptedEngine(
    {},
    { name: 'asking', capabilities: { requests: true, tools: ['migrate_database'] } },
  );
  engine.script = () => [
    {
      type: 'ask',
      question: {
        kind: 'permission',
        prompt: 'May I migrate?',
        options: [
          { id: 'allow', label: 'Allow', kind: 'allow-once' },
          { id: 'deny', label: 'Deny', kind: 'reject-once' },
        ],
      },
    },
    { type: 'text', text: 'It is migrated.' },
    { type: 'message' },
  ];
  return { name: 'asking', apply: (host) => host.useEngine(engine) };
};

/** Starts a backend with the workspaces `default` and `acme`, each with its own runtime and a remote one. */
const startBoth = async (t: ExecutionContext) => {
  const folder = await makeFolder(t);
  await mkdir(join(folder, 'backend'), { recursive: true });
  const identity = await Identity.at(join(folder, 'backend', 'signing.jwk'), 'backend');
  const issuerFile = join(folder, 'issuers.json');
  await writeFile(issuerFile, JSON.stringify([{ ...identity.entry, permission: 'admin' }]), { mode: 0o600 });
  const web = http({ port: 0, issuerFile });
  const store: RuntimePlugin = { name: 'memory', apply: (host) => host.useStore(memoryStore()) };
  const remote = await Runtime.start({ plugins: [store, web, wsObservation({ on: web }), asking()] });
  t.teardown(() => remote.stop({ deadlineMs: 500 }));
  const backend = await start(t, folder, {
    workspaces: { default: {}, acme: { name: 'Acme', plugins: [asking()] } },
    runtimes: [{ name: 'gpu-1', url: web.url, runtimeId: remote.runtimeId }],
  });
  return { backend, remote };
};

const openPage = async (t: ExecutionContext): Promise<Page> => {
  const context = await (await sharedBrowser()).newContext({ reducedMotion: 'reduce' });
  t.teardown(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT_MS);
  await page.addInitScript(`
    globalThis.violations = [];
    addEventListener('securitypolicyviolation', (event) => violations.push(event.violatedDirective));
  `);
  return page;
};

browserTest(
  'P39: a person opens a link to a Worker, logs in, writes, answers on two runtimes, and logs out',
  async (t) => {
    const { backend, remote } = await startBoth(t);
    const root = await Browser.login(backend);
    const own = backend.runtime('acme').runtimeId;
    for (const [runtimeId, workerId] of [
      [own, 'near'],
      [remote.runtimeId, 'far'],
    ]) {
      const made = await root.send(`/w/acme/v1/runtimes/${runtimeId}/workers`, 'POST', {
        engine: 'asking',
        workerId,
      });
      t.is(made.status, 201, made.text);
    }

    // a browser without a session keeps the address that was wanted
    const page = await openPage(t);
    const wanted = `${backend.url}/w/acme/#/runtimes/${remote.runtimeId}/workers/far`;
    await page.goto(wanted);
    await page.waitForURL(/\/login$/);
    await page.goto(backend.link(OPERATOR));
    await page.waitForURL(wanted);

    const input = page.getByRole('textbox', { name: 'Input' });
    await input.fill('Migrate it.');
    await input.press('Enter');
    await page.getByRole('button', { name: 'Allow', exact: true }).click();
    await page.locator('main').getByText('It is migrated.', { exact: true }).waitFor();
    const [resolved] = (await remote.events('far', { types: ['request.resolved'] })).items;
    t.is((resolved?.data as { readonly actor?: string } | undefined)?.actor, OPERATOR.name);

    // the inbox has the requests of all runtimes of the workspace
    const ask = (runtimeId: string, workerId: string) =>
      root.send(`/w/acme/v1/runtimes/${runtimeId}/workers/${workerId}/inputs`, 'POST', { text: 'again' });
    t.is((await ask(own, 'near')).status, 202);
    t.is((await ask(remote.runtimeId, 'far')).status, 202);
    await page.goto(`${backend.url}/w/acme/#/inbox`);
    const open = page.locator('[data-request][data-open="true"]');
    await open.nth(1).waitFor();
    await open.first().getByRole('button', { name: 'Allow', exact: true }).click();
    await page.locator('[data-request][data-open="false"]').first().waitFor();
    t.is((await root.send('/w/acme/v1/requests')).body.items.length, 1);

    // a runtime that is down is named, and its Workers are not presented as present
    await remote.stop({ deadlineMs: 500 });
    await page.locator('[data-absent="gpu-1"]').waitFor();
    await page.goto(`${backend.url}/w/acme/#/workers`);
    await page.locator('[data-absent="gpu-1"]').waitFor();
    await page.getByText('near', { exact: true }).waitFor();

    await page.goto(`${backend.url}/w/acme/#/account`);
    await page.getByRole('heading', { name: 'Account' }).waitFor();
    await page.getByRole('textbox', { name: 'Name' }).fill('ci');
    await page.getByRole('button', { name: 'Create token' }).click();
    const token = (await page.locator('[data-secret] code').textContent()) ?? '';
    const authorization = { authorization: `Bearer ${token}` };
    t.is((await send(`${backend.url}/w/acme/v1/workers`, 'GET', undefined, authorization)).status, 200);
    const tokens = page.url();
    await page.goto(`${backend.url}/w/acme/#/workers/new`);
    await page.getByRole('textbox', { name: 'Id' }).fill('pasted');
    const sample = await page.locator('figure', { hasText: 'curl' }).locator('code').textContent();
    const pasted = await promisify(execFile)('sh', ['-c', sample ?? ''], {
      env: { ...process.env, WORKER_RUNTIME_TOKEN: token },
    });
    t.is(JSON.parse(pasted.stdout).workerId, 'pasted', pasted.stderr);
    await page.goto(tokens);
    await page.getByRole('heading', { name: 'Account' }).waitFor();
    t.deepEqual(await exclusions(page), []);
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.reload();
    await page.locator('[data-token="ci"]').waitFor();
    t.deepEqual(await exclusions(page), []);
    // the session of the page is marked, and the two others of the same person end from here
    const late = await Browser.login(backend);
    await page.reload();
    const others = page.locator('[data-session="other"]');
    await others.nth(1).waitFor();
    t.is(await page.locator('[data-session="current"]').count(), 1);
    await others.first().getByRole('button', { name: 'End the session of' }).click();
    await others.nth(1).waitFor({ state: 'detached' });
    t.is((await late.send('/v1/session')).status, 401, 'the newest is the first');
    t.is((await root.send('/v1/session')).status, 200);
    await Browser.login(backend);
    await page.reload();
    await page.getByRole('button', { name: 'End all other sessions' }).click();
    await others.first().waitFor({ state: 'detached' });
    t.is((await root.send('/v1/session')).status, 401);
    await page.getByRole('button', { name: 'Delete the token ci' }).click();
    await page.locator('[data-token="ci"]').waitFor({ state: 'detached' });
    t.is(await page.evaluate(`document.activeElement.getAttribute('aria-label')`), 'API tokens');
    await page.locator('[role="log"]').getByText('The token ci is deleted').waitFor();
    t.is((await send(`${backend.url}/w/acme/v1/workers`, 'GET', undefined, authorization)).status, 401);

    t.deepEqual(await page.evaluate('globalThis.violations'), []);
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.waitForURL(/\/login$/);
    t.deepEqual(await page.context().cookies(), []);
    await page.goto(`${backend.url}/w/acme/#/workers`);
    await page.waitForURL(/\/login$/);
  },
);

browserTest('a workspace without a grant does not exist, and the page names those that do', async (t) => {
  const backend = await start(t, await makeFolder(t), {
    workspaces: { default: {}, acme: { name: 'Acme' } },
    policy: (_, workspace) =>
      workspace === 'acme' ? { permissions: ['observe'], workers: '*', runtimes: '*' } : null,
  });
  const page = await openPage(t);
  await page.goto(backend.link({ name: 'ada', groups: [] }));
  await page.getByRole('alert').getByRole('link', { name: 'Acme' }).click();
  await page.waitForURL(`${backend.url}/w/acme/#/workers`);
  await page.locator('[data-connection="live"]').waitFor();
  t.is((await send(`${backend.url}/w/acme`)).status, 200, 'the address without a slash leads there');
});

browserTest(
  'a page whose session has ended sends nothing, and what was written is sent after the login',
  async (t) => {
    const { backend } = await startBoth(t);
    const root = await Browser.login(backend);
    await root.send('/v1/runtimes/self/workers', 'POST', { engine: 'parrot', workerId: 'polly' });
    const page = await openPage(t);
    await page.goto(backend.link());
    await page.waitForURL(/#\/workers$/);
    await page.goto(`${backend.url}/#/runtimes/${backend.runtime().runtimeId}/workers/polly`);
    await page.locator('[data-loaded="true"]').waitFor();
    const end = { headers: { origin: backend.url } };
    t.is((await page.request.delete(`${backend.url}/v1/session`, end)).status(), 204);
    await page.getByRole('alert').getByRole('link', { name: 'Log in' }).waitFor();

    const input = page.getByRole('textbox', { name: 'Input' });
    await input.fill('written without a session');
    await input.press('Enter');
    await page.locator('[data-sending]').waitFor();
    const sent: string[] = [];
    page.on('request', (request) => sent.push(request.url()));
    // in the first time each stream is refused once, and in the second another try would show
    await page.evaluate('new Promise((resolve) => setTimeout(resolve, 4_000))');
    sent.length = 0;
    await page.evaluate('new Promise((resolve) => setTimeout(resolve, 4_000))');
    t.deepEqual(sent, []);
    t.deepEqual((await backend.runtime().events('polly', { types: ['input.accepted'] })).items, []);

    const other = await page.context().newPage();
    await other.goto(backend.link());
    await other.waitForURL(/#\/workers$/);
    await other.close();
    await page.getByText('written without a session', { exact: true }).nth(1).waitFor();
    t.is((await backend.runtime().events('polly', { types: ['input.accepted'] })).items.length, 1);
  },
);

browserTest('P92: a browser whose storage has no room logs in', async (t) => {
  const { backend } = await startBoth(t);
  const page = await openPage(t);
  const wanted = `${backend.url}/w/acme/#/inbox`;
  const login = `${backend.url}/login?return=${encodeURIComponent(wanted)}`;
  await page.goto(login);
  await page.evaluate(`localStorage.clear(); localStorage.setItem('other', 'x'.repeat(5 * 1024 * 1024 - 5))`);
  await page.goto(`${login}${new URL(backend.link(OPERATOR)).hash}`);
  // the address that was wanted has no room either
  await page.waitForURL(/#\/workers$/);
  await page.locator('[data-connection="live"]').waitFor();
  t.deepEqual(await page.evaluate('globalThis.violations'), []);
});
