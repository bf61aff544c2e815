import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import test from 'ava';
import { WebSocket } from 'ws';
import { makeKeys, RemotePlace } from '../world.ts';

const PROGRAM = new URL('../clock-process.ts', import.meta.url).pathname;

for (const [clock, offsetMs, message] of [
  ['behind', -600_000, /clock is (599|600|601) s ahead: synchronize/],
  ['ahead', 600_000, /clock is (599|600|601) s behind: synchronize/],
] as const)
  test(`a registry whose clock is ${clock} names the clocks as the cause, and reaches the runtime after they are set`, async (t) => {
    const keys = await makeKeys();
    const place = await RemotePlace.start({ http: { issuerFile: keys.issuerFile } });
    const { runtimeId } = place.runtime;
    const child = fork(PROGRAM, [
      String(offsetMs),
      join(keys.folder, 'signing.jwk'),
      place.gate.url,
      runtimeId,
    ]);
    t.teardown(async () => {
      if (child.connected) child.disconnect();
      if (child.exitCode === null) await once(child, 'exit');
      await place.dispose();
      await keys.remove();
    });
    const [url] = (await once(child, 'message')) as [string];
    const path = `/v1/runtimes/${runtimeId}`;
    const entry = async () => {
      const { items } = (await (await fetch(`${url}/v1/runtimes`)).json()) as {
        readonly items: readonly {
          readonly state: string;
          readonly error: { readonly code: string } | null;
        }[];
      };
      return items[0];
    };

    t.like(await entry(), { state: 'refused', error: { code: 'RUNTIME_UNREACHABLE' } });
    for (const method of ['GET', 'POST']) {
      const answer = await fetch(`${url}${path}/workers`, {
        method,
        headers: { 'content-type': 'application/json' },
        ...(method === 'POST' && { body: '{"engine":"scripted"}' }),
      });
      const problem = (await answer.json()) as {
        readonly code: string;
        readonly detail: string;
        readonly details: { readonly reason: string; readonly clockOffsetMs: number };
      };
      t.is(answer.status, 503);
      t.is(problem.code, 'RUNTIME_UNREACHABLE');
      t.is(problem.details.reason, 'refused');
      t.true(Math.abs(problem.details.clockOffsetMs + offsetMs) <= 2_000);
      t.regex(problem.detail, message);
    }
    const socket = new WebSocket(`${url.replace('http', 'ws')}${path}/stream`, 'worker-runtime.v1');
    socket.on('error', () => {});
    const [, refused] = await once(socket, 'unexpected-response');
    let text = '';
    for await (const part of refused) text += part;
    t.regex(text, message);

    child.send('set the clock');
    await once(child, 'message');
    t.is((await fetch(`${url}${path}/workers`)).status, 200);
    t.is((await entry())?.state, 'ok');
  });
