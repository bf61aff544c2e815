/** Stores to copy, and commands that are killed while they do it. */
import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { engine, inputText, Runtime } from '@worker-runtime/core';
import { fileStore } from '@worker-runtime/plugin-fs-store';
import type { ExecutionContext } from 'ava';
import { type Program, request, serve } from './program.ts';

const STORE = ['--plugin', 'fs-store', '--plugin', 'echo'];

export const inFolder = (dir: string): readonly string[] => [...STORE, '--fs-store.dir', dir];

/** Reads the events of all Workers of a server. */
export const eventsAt = async (url: string): Promise<string> => {
  const { body } = await request<{ items: readonly { workerId: string }[] }>(
    url,
    'GET',
    '/workers?limit=1000',
  );
  const pages: unknown[] = [];
  for (const { workerId } of body.items)
    pages.push(
      (await request<{ items: unknown }>(url, 'GET', `/workers/${workerId}/events?limit=1000`)).body.items,
    );
  return JSON.stringify(pages);
};

/** Serves a store, and returns its runtime and all its events. */
export const shown = async (
  t: ExecutionContext,
  place: string,
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<{ runtimeId: string; events: string }> => {
  const { url, runtimeId, program } = await serve(t, place, args, variables);
  const events = await eventsAt(url);
  program.kill('SIGTERM');
  t.is((await program.ended).code, 0);
  return { runtimeId, events };
};

/** Creates a Worker with a label, and waits until all of its inputs are answered. */
export const converse = async (url: string, worker: string, inputs: number): Promise<void> => {
  await request(url, 'POST', '/workers', { engine: 'echo', workerId: worker, labels: { team: 'docs' } });
  for (let number = 1; number <= inputs; number += 1) {
    const body = { text: `input ${number} ${'of a long conversation '.repeat(40)}`, whenBusy: 'queue' };
    await request(url, 'POST', `/workers/${worker}/inputs`, body);
  }
  for (;;) {
    const { body } = await request<{ status: string; queued: number }>(url, 'GET', `/workers/${worker}`);
    if (body.status === 'idle' && body.queued === 0) return;
  }
};

/** Fills a store with Workers that have files which cannot be compressed. */
export const fill = async (dir: string, workers: number, fileBytes = 60_000): Promise<void> => {
  const echo = engine('echo', async function* (active) {
    yield { type: 'text', text: inputText(active.input) };
  });
  const runtime = await Runtime.start({ engines: [echo], store: fileStore({ dir }) });
  for (let number = 0; number < workers; number += 1) {
    const workerId = `w${number}`;
    await runtime.createWorker({ workerId, engine: 'echo' });
    await runtime.putFile(workerId, randomBytes(fileBytes), { mediaType: 'image/png' });
    await runtime.sendInput(workerId, { text: randomBytes(20_000).toString('base64') }, { waitMs: 10_000 });
  }
  await runtime.stop();
};

/** Returns the names of the whole archives in a folder. A missing folder has none. */
export const archivesIn = async (folder: string): Promise<readonly string[]> =>
  (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.archive'));

/** Kills a program as soon as a condition holds. Returns false if `command` ended before, which is the program itself or uses it. */
export const killWhen = async (
  program: Program,
  holds: () => Promise<boolean>,
  command: Program = program,
): Promise<boolean> => {
  const ended = command.ended.then(() => true);
  for (;;) {
    if (await holds()) {
      program.kill('SIGKILL');
      return (await program.ended).signal === 'SIGKILL';
    }
    if (await Promise.race([ended, setTimeout(3, false)])) return false;
  }
};
