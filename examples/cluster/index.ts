// Three hosts share the Runtimes of one database. One is killed, and the others continue.
import { setTimeout as pause } from 'node:timers/promises';
import { type RuntimeClient, runtimeClient } from '@worker-runtime/client';
import { migrate, postgresMembership } from '@worker-runtime/plugin-postgres-store';
import { type Host, startHost } from './host.ts';

const url = process.env.WORKER_RUNTIME_POSTGRES_URL;
if (url === undefined) {
  console.log('skipped: WORKER_RUNTIME_POSTGRES_URL names no database');
  process.exit(0);
}

await migrate({ url });
const membership = postgresMembership({ url });
const names = ['north', 'east', 'south'];
const ids = new Map<string, string>();
for (const name of names) ids.set(name, (await membership.create(name, null)).runtimeId);

const hosts: Host[] = await Promise.all(['a', 'b', 'c'].map((name) => startHost(name, url)));

/** The name of the host that owns a Runtime. */
const ownerOf = async (runtime: string): Promise<string | undefined> => {
  const { hosts: seen, runtimes } = await membership.look();
  const owner = runtimes.find(({ name }) => name === runtime)?.host;
  return seen.find(({ id }) => id === owner)?.name;
};
const areSpread = async (): Promise<boolean> => new Set(await Promise.all(names.map(ownerOf))).size === 3;
while (!(await areSpread())) await pause(200);

/** Asks the first host that is left, which passes the call on to the owner of the Runtime. */
const clientOf = (runtime: string): RuntimeClient =>
  runtimeClient({ url: hosts[0]?.url ?? '', runtime: ids.get(runtime) ?? '' });

/** Sends an input until it is accepted. The key makes a retry harmless. */
const send = async (runtime: string, text: string): Promise<string> => {
  for (;;) {
    try {
      const options = { idempotencyKey: text, waitMs: 10_000 };
      const { run } = await clientOf(runtime).sendInput('ada', { text }, options);
      return run?.outcome ?? 'no end';
    } catch {
      await pause(200);
    }
  }
};

for (const name of names) await clientOf(name).createWorker({ workerId: 'ada', engine: 'echo' });
const before = await Promise.all(names.map((name) => send(name, `first for ${name}`)));

const owner = await ownerOf('north');
const killed = hosts.find(({ name }) => name === owner);
killed?.process.kill('SIGKILL');
if (killed) hosts.splice(hosts.indexOf(killed), 1);
console.log('killed the host that serves north');

const after = await Promise.all(names.map((name) => send(name, `second for ${name}`)));
const { items } = await clientOf('north').transcript('ada');
const texts = items.length;

for (const host of hosts) host.process.kill('SIGKILL');
await membership.close();
console.log(
  `done: ${[...before, ...after].filter((outcome) => outcome === 'completed').length} inputs completed, north has ${texts} messages`,
);
process.exit(0);
