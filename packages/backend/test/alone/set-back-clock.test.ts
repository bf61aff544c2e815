import test from 'ava';
import { Browser, makeFolder, parrot, start } from '../scene.ts';

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

const machine = Date.now;
const steady = performance.now.bind(performance);
let passedMs = 0;
let setBackMs = 0;
Date.now = () => machine() + passedMs - setBackMs;
performance.now = () => steady() + passedMs;

/** Lets a minute pass, in which the clock of the machine is set back by an hour. */
const setBack = (): void => {
  setBackMs += HOUR_MS;
  passedMs += MINUTE_MS;
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
