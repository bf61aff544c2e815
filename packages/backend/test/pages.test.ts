/** The pages of the login and of the device login, in a browser. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  closeBrowser,
  hasBrowser,
  sharedBrowser,
  TIMEOUT_MS,
} from '@worker-runtime/test-environment/chromium';
import test from 'ava';
import type { Page } from 'playwright-core';
import { Provider } from './provider.ts';
import { makeFolder, OPERATOR, send, start } from './scene.ts';

test.after.always(closeBrowser);

const says = (page: Page, text: string) => page.locator('output', { hasText: text }).waitFor();

if (!hasBrowser)
  test.skip('a browser logs in and allows a program (skipped: no Chromium is installed)', () => {});
else
  test('a browser logs in with a link, with the provider, and allows a program; no script breaks the policy', async (t) => {
    t.timeout(2 * TIMEOUT_MS);
    const provider = await Provider.start(t);
    const folder = await makeFolder(t);
    await writeFile(join(folder, 'secret'), provider.clientSecret, { mode: 0o600 });
    const backend = await start(t, folder, {
      policy: () => ({ permissions: ['operate'], workers: '*', runtimes: '*' }),
      oidc: {
        issuer: provider.issuer,
        clientId: provider.clientId,
        clientSecretFile: 'secret',
        name: 'Acme',
      },
    });
    const browser = await (await sharedBrowser()).newContext();
    browser.setDefaultTimeout(TIMEOUT_MS);
    const page = await browser.newPage();
    const complaints: string[] = [];
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (line) => {
      if (/Content Security Policy/.test(line.text())) complaints.push(line.text());
    });
    // a link, once
    const link = backend.link(OPERATOR);
    await page.goto(link);
    await page.waitForURL(`${backend.url}/#/workers`);
    await page.goto('about:blank');
    await page.goto(link);
    await says(page, 'The link is used or too old');
    await browser.clearCookies();
    // the page for programs leads to the login, and back
    const begun = (await send(`${backend.url}/v1/device-logins`, 'POST', { name: 'laptop' })).body;
    await page.goto(`${begun.url}#${begun.userCode}`);
    await page.getByRole('button', { name: 'Log in with Acme' }).click();
    await page.waitForURL(`${begun.url}#${begun.userCode}`);
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByText(`${begun.userCode}: laptop, from 127.0.0.1`).waitFor();
    await page.getByRole('button', { name: 'Allow' }).click();
    await says(page, 'Done. The program continues.');
    const { body } = await send(`${backend.url}/v1/device-logins/token`, 'POST', {
      deviceCode: begun.deviceCode,
    });
    t.regex(body.token, /^token_/);
    // a wrong code, and a person whom the provider refuses
    await page.goto(begun.url);
    await page.getByRole('textbox').fill('BCDF-GHJK');
    await page.getByRole('button', { name: 'Continue' }).click();
    await says(page, 'There is no such code, or it is used or too old');
    provider.refusal = 'access_denied';
    // an address of another origin is no place to return to
    await page.goto(`${backend.url}/login?return=${encodeURIComponent(provider.issuer)}`);
    await page.getByRole('button', { name: 'Log in with Acme' }).click();
    await says(page, 'The identity provider has refused the login');
    provider.refusal = null;
    await page.getByRole('button', { name: 'Log in with Acme' }).click();
    await page.waitForURL(`${backend.url}/#/workers`);
    t.deepEqual(complaints, []);
  });
