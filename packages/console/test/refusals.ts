/** The reason of a refused command, where a person has asked for it. */
import { browserTest, openPage } from '@worker-runtime/test-environment/browser';
import { WorkerPage } from './pages/worker-page.ts';
import { Served } from './served.ts';

browserTest('a refused Resume says why, and can be tried again', async (t) => {
  const { runtime, url } = await Served.start(t);
  const claims = [{ name: 'docs', resource: 'fs:/docs', mode: 'write' as const }];
  await runtime.createWorker({ engine: 'scripted', workerId: 'ada', claims });
  await runtime.stopWorker('ada');
  await runtime.createWorker({ engine: 'scripted', workerId: 'bob', claims });
  const { page } = await openPage(t, url);
  await new WorkerPage(page).open(url, runtime.runtimeId, 'ada');
  const resume = page.getByRole('button', { name: 'Resume' });
  await resume.click();
  await page.getByRole('alert').filter({ hasText: 'claim' }).waitFor();
  t.is((await runtime.getWorker('ada')).status, 'stopped');

  await runtime.stopWorker('bob');
  await resume.click();
  await page.getByRole('textbox', { name: 'Input' }).waitFor();
  t.is((await runtime.getWorker('ada')).status, 'idle');
});
