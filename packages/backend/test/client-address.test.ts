/** The address of a client behind reverse proxies. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Browser, makeFolder, send, start } from './scene.ts';

const startBehind = async (t: ExecutionContext, trustedProxies?: readonly string[]) => {
  const folder = await makeFolder(t);
  const listen = { port: 0, ...(trustedProxies && { trustedProxies }) };
  const backend = await start(t, folder, { listen });
  const fail = (forwarded?: string) =>
    send(
      `${backend.url}/v1/session`,
      'POST',
      { code: 'wrong' },
      { origin: backend.url, ...(forwarded !== undefined && { 'x-forwarded-for': forwarded }) },
    );
  /** Returns the address in the audit line of a failed login with this header. */
  const addressOf = async (forwarded?: string): Promise<unknown> => {
    const { headers } = await fail(forwarded);
    const lines = (await readFile(join(folder, 'backend', 'audit.jsonl'), 'utf8')).split('\n');
    const line = lines.find((text) => text.includes(headers.get('x-request-id') ?? '-')) ?? '{}';
    return JSON.parse(line).from;
  };
  return { backend, fail, addressOf };
};

test('P66: behind named proxies the client is the first address that is no proxy, and no client can choose another one', async (t) => {
  const { addressOf } = await startBehind(t, ['127.0.0.1', '10.1.0.0/16', 'fd00::/8']);
  for (const [forwarded, expected] of [
    [undefined, '127.0.0.1'],
    ['203.0.113.7', '203.0.113.7'],
    ['2001:db8::7', '2001:db8::7'],
    // what stands before the client is of the client
    ['198.51.100.1, 203.0.113.7', '203.0.113.7'],
    ['127.0.0.1, 10.1.2.3, 203.0.113.8', '203.0.113.8'],
    // several proxies, one after another
    ['198.51.100.1, 203.0.113.9, 10.1.2.3 , fd00::1', '203.0.113.9'],
    ['198.51.100.1, 10.2.0.1, 10.1.2.3', '10.2.0.1'],
    // no address
    ['203.0.113.7, canary', '127.0.0.1'],
    ['203.0.113.7, canary, 10.1.2.3', '10.1.2.3'],
    ['203.0.113.7:443', '127.0.0.1'],
    ['', '127.0.0.1'],
  ] as const)
    t.is(await addressOf(forwarded), expected, forwarded);
});

test('P66: without named proxies, and from other addresses, the header is ignored', async (t) => {
  for (const proxies of [undefined, [], ['10.0.0.0/8']]) {
    const { addressOf, fail } = await startBehind(t, proxies);
    t.is(await addressOf('203.0.113.7'), '127.0.0.1');
    // a client that invents addresses stays one client
    for (let failed = 1; failed < 10; failed++) t.is((await fail(`203.0.113.${failed}`)).status, 401);
    t.is((await fail('203.0.113.99')).body.code, 'LIMIT_REACHED');
  }
});

test('P66: limits by address are those of each client behind a proxy', async (t) => {
  const { backend, fail } = await startBehind(t, ['loopback']);
  for (let failed = 0; failed < 10; failed++)
    t.is((await fail(`198.51.100.${failed}, 203.0.113.7`)).status, 401);
  t.is((await fail('198.51.100.99, 203.0.113.7')).body.code, 'LIMIT_REACHED');
  t.is((await fail('203.0.113.8')).status, 401);
  const begun = await send(
    `${backend.url}/v1/device-logins`,
    'POST',
    { name: 'cli' },
    { 'x-forwarded-for': '203.0.113.7' },
  );
  t.is(begun.status, 201, begun.text);
  const root = await Browser.login(backend);
  // the person sees from where a program asks
  t.is((await root.send(`/v1/device-logins/${begun.body.userCode}`)).body.from, '203.0.113.7');
});

test('P94: the addresses that one client of IPv6 has are one client for limits, and addresses of IPv4 are not', async (t) => {
  const { backend, fail } = await startBehind(t, ['loopback']);
  // the last half of an address is of the client itself
  for (let failed = 0; failed < 10; failed++) t.is((await fail(`2001:db8:0:7:${failed}::`)).status, 401);
  for (const other of ['2001:db8:0:7::', '2001:db8::7:0:0:0:1', '2001:0DB8:0:7:ffff:ffff:ffff:ffff'])
    t.is((await fail(other)).body.code, 'LIMIT_REACHED', other);
  for (const other of ['2001:db8:0:8::', '2001:db8::7', '::1', '::ffff:203.0.113.7', '203.0.113.8'])
    t.is((await fail(other)).status, 401, other);
  const begin = (forwarded: string) =>
    send(`${backend.url}/v1/device-logins`, 'POST', { name: 'cli' }, { 'x-forwarded-for': forwarded });
  for (let begun = 0; begun < 30; begun++) t.is((await begin(`2001:db8:0:9::${begun}`)).status, 201);
  t.is((await begin('2001:db8:0:9:1::')).body.code, 'LIMIT_REACHED');
  // an address of IPv4 is the same one in both of its forms
  for (let failed = 1; failed < 10; failed++) t.is((await fail('203.0.113.7')).status, 401);
  t.is((await fail('203.0.113.7')).body.code, 'LIMIT_REACHED');
});
