import test from 'ava';
import { Browser, makeFolder, parrot, send, start } from '../scene.ts';

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

const machine = Date.now;
const steady = performance.now.bind(performance);
let passedMs = 0;
let setBackMs = 0;
Date.now = () => machine() + passedMs - setBackMs;
performance.now = () => steady() + passedMs;

/** Lets minutes pass, in which the clock of the machine is set back by an hour. */
const setBack = (minutes = 1): void => {
  setBackMs += HOUR_MS;
  passedMs += minutes * MINUTE_MS;
};

const workspaces = () => ({ default: { plugins: [parrot()] } });
const ANYTHING = { permissions: ['operate'], workers: '*', runtimes: '*' } as const;
const WORKERS = '/v1/runtimes/self/workers';

test.serial(
  'P31: a decision of the policy is used for a minute, although the clock is set back',
  async (t) => {
    let isMember = true;
    const backend = await start(t, await makeFolder(t), {
      workspaces: workspaces(),
      policy: () => (isMember ? ANYTHING : null),
    });
    const ada = await Browser.login(backend, { name: 'ada', groups: [] });
    t.is((await ada.send(WORKERS)).status, 200);
    isMember = false;
    t.is((await ada.send(WORKERS)).status, 200);
    setBack();
    t.not((await ada.send(WORKERS)).status, 200);
  },
);

test.serial('P23: a person has inputs again after a minute, although the clock is set back', async (t) => {
  const backend = await start(t, await makeFolder(t), {
    workspaces: workspaces(),
    policy: () => ({ ...ANYTHING, limits: { inputsAMinute: 2 } }),
  });
  const ada = await Browser.login(backend, { name: 'ada', groups: [] });
  await ada.send(WORKERS, 'POST', { engine: 'parrot', workerId: 'polly' });
  const input = async (): Promise<number> =>
    (await ada.send(`${WORKERS}/polly/inputs`, 'POST', { text: 'hi', whenBusy: 'queue' })).status;
  // the creation counts too
  t.deepEqual([await input(), await input()], [202, 429]);
  setBack();
  t.deepEqual([await input(), await input(), await input()], [202, 202, 429]);
});

test.serial('P94: codes of links and of programs end in time, although the clock is set back', async (t) => {
  const backend = await start(t, await makeFolder(t), { workspaces: workspaces() });
  const logins = async (): Promise<readonly (readonly [string, object])[]> => {
    const [, code] = backend.link({ name: 'ada', groups: [] }).split('#');
    const begun = await send(`${backend.url}/v1/device-logins`, 'POST', { name: 'x', permission: 'observe' });
    t.is(begun.status, 201);
    return [
      ['/v1/session', { code }],
      ['/v1/device-logins/token', { deviceCode: begun.body.deviceCode }],
    ];
  };
  const [link] = await logins();
  t.is((await send(`${backend.url}${link?.[0]}`, 'POST', link?.[1])).status, 201);
  const late = await logins();
  setBack(30);
  for (const [path, body] of late)
    t.is((await send(`${backend.url}${path}`, 'POST', body)).body.code, 'UNAUTHENTICATED', path);
});
