/** The page of the example with its server and a scripted model, in a real Chromium, where one is installed. */
import { get } from 'node:http';
import { browserTest } from '@worker-runtime/test-environment/browser';
import test from 'ava';
import { buildPage, Scene } from './scene.ts';

test.before(buildPage);

browserTest('P71: a page with useChat sends, approves a call, and shows it after a reload', async (t) => {
  const { scene } = await Scene.start(t);
  const tab = await scene.tab();
  await tab.send('Please roll');
  await tab.shows(['Please roll', 'May I call roll_dice {"sides":1}? Allow Refuse'], 'ready');
  // the question is still open after a reload
  await tab.page.reload();
  await tab.shows(['Please roll', 'May I call roll_dice {"sides":1}? Allow Refuse'], 'ready');
  await tab.press('Allow');
  const allowed = ['Please roll', 'roll_dice {"sides":1} returned 1 It is 1.'];
  await tab.shows(allowed, 'ready');
  await tab.send('Please roll again');
  await tab.press('Refuse');
  await tab.page.getByText('was refused').waitFor();
  // the run has ended when the model has reported the refusal
  await tab.page.locator('main[data-status="ready"] article:last-of-type', { hasText: 'It is' }).waitFor();
  t.is((await fetch(`${scene.url}api/chat/${tab.chatId}/stream`)).status, 204);
  await tab.page.reload();
  await tab.page.getByText('was refused').waitFor();
  t.deepEqual((await tab.page.locator('article').allInnerTexts()).length, 4);
});

browserTest('P71: a reload in mid sentence and a second tab show the sentence and its end', async (t) => {
  const { scene, goOn } = await Scene.start(t);
  const tab = await scene.tab();
  await tab.send('Count');
  await tab.shows(['Count', 'One two'], 'streaming');
  await tab.page.reload();
  const second = await scene.tab(tab.address);
  for (const one of [tab, second]) await one.shows(['Count', 'One two'], 'streaming');
  goOn();
  for (const one of [tab, second]) await one.shows(['Count', 'One two three.'], 'ready');
  // a tab that was idle catches up when its person returns to it
  await second.send('Again');
  await second.shows(['Count', 'One two three.', 'Again', 'One two three.'], 'ready');
  await tab.page.evaluate("dispatchEvent(new Event('focus'))");
  await tab.shows(['Count', 'One two three.', 'Again', 'One two three.'], 'ready');
  for (const { page } of [tab, second]) t.is(await page.getByRole('alert').count(), 0);
});

for (const signal of ['SIGKILL', 'SIGTERM'] as const)
  browserTest(
    `P71: a page whose server ends in mid answer continues when it is back, ${signal}`,
    async (t) => {
      const { scene, goOn } = await Scene.start(t);
      const tab = await scene.tab();
      await tab.send('Count');
      await tab.shows(['Count', 'One two'], 'streaming');
      const code = await scene.kill(signal);
      t.is(code, signal === 'SIGTERM' ? 0 : null);
      await tab.shows(['Count', 'One two'], 'error');
      goOn();
      await scene.begin();
      await tab.shows(['Count', 'One two three.'], 'ready');
      await tab.page.reload();
      await tab.shows(['Count', 'One two three.'], 'ready');
      t.is(await tab.page.getByRole('alert').count(), 0);
    },
  );

browserTest('a person stops an answer', async (t) => {
  const { scene } = await Scene.start(t);
  const tab = await scene.tab();
  await tab.send('Count');
  await tab.shows(['Count', 'One two'], 'streaming');
  await tab.press('Stop');
  await tab.shows(['Count', 'One two'], 'ready');
  t.is((await fetch(`${scene.url}api/chat/${tab.chatId}/stream`)).status, 204);
});

test('a page of another site can neither read nor send', async (t) => {
  const { scene } = await Scene.start(t);
  const id = crypto.randomUUID();
  const body = JSON.stringify({
    id,
    messages: [{ id: 'm1', role: 'user', parts: [{ type: 'text', text: 'roll' }] }],
  });
  const send = (headers: Readonly<Record<string, string>>) =>
    fetch(`${scene.url}api/chat`, { method: 'POST', body, headers });
  const foreign = { origin: 'https://evil.example', 'content-type': 'text/plain' };
  t.is((await send(foreign)).status, 403);
  t.is((await fetch(`${scene.url}api/chat/${id}`)).status, 404);
  const rebound = await new Promise<number | undefined>((resolve, reject) => {
    get(`${scene.url}api/chat/${id}`, { headers: { host: 'evil.example' } }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    }).on('error', reject);
  });
  t.is(rebound, 403);
  const own = await send({ origin: new URL(scene.url).origin, 'content-type': 'application/json' });
  t.is(own.status, 200);
  await own.body?.cancel();
  t.is((await fetch(`${scene.url}api/chat/nobody`)).status, 404);
});
