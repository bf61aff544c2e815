import { spawnSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '@worker-runtime/test-environment/postgres-server';
import { outputOf } from './jobs.ts';
import type { Peer } from './peer.ts';
import { RedisConnection } from './redis-connection.ts';
import { startServer } from './spawned-server.ts';

/*
 * The least that three commits cost in Redis: an entry of a stream each. Redis writes and syncs the commands of all clients that it has
 * received in one turn of its event loop together, before it answers them.
 */

const RETRY_MS = 20;
const PROGRAM = process.env.REDIS_SERVER ?? 'redis-server';
const streamOf = (client: number): string => `client-${client}`;

/** Returns what the program says of itself, or null if it cannot be run. */
const description = (): string | null => {
  const { status, stdout } = spawnSync(PROGRAM, ['--version'], { encoding: 'utf8' });
  return status === 0 ? stdout : null;
};

const opened = async (port: number): Promise<RedisConnection> => {
  for (;;) {
    try {
      return await RedisConnection.open(port);
    } catch {
      await delay(RETRY_MS);
    }
  }
};

/** @throws Error the setting differs */
const checkSetting = async (connection: RedisConnection, name: string, value: string): Promise<void> => {
  const reply = await connection.send('CONFIG', 'GET', name);
  if (!Array.isArray(reply) || reply[1] !== value)
    throw new Error(`The setting ${name} of Redis is ${JSON.stringify(reply)}, not ${value}`);
};

export const redis: Peer = {
  id: 'redis',
  what: 'Redis, bare: three `XADD`, `appendfsync always`',
  prepare: async () =>
    description() === null ? `${PROGRAM} was not found: install redis-server, or set REDIS_SERVER` : null,
  async start(folder) {
    const port = await freePort();
    const settings = {
      port,
      bind: '127.0.0.1',
      dir: folder,
      save: '',
      appendonly: 'yes',
      appendfsync: 'always',
    };
    const server = startServer(
      PROGRAM,
      Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]),
    );
    const connection = await server.during(opened(port));
    await checkSetting(connection, 'appendonly', 'yes');
    await checkSetting(connection, 'appendfsync', 'always');
    const commit = (client: number, step: string, content: string): Promise<unknown> =>
      connection.send('XADD', streamOf(client), '*', step, content);
    return {
      version: `Redis ${/v=([\d.]+)/.exec(description() ?? '')?.[1]}`,
      async job(client, _job, input) {
        await commit(client, 'input', input);
        const output = outputOf(input);
        await commit(client, 'output', output);
        await commit(client, 'end', 'completed');
        return output;
      },
      async stored(client) {
        const entries = (await connection.send('XRANGE', streamOf(client), '-', '+')) as readonly (readonly [
          id: string,
          fields: readonly [step: string, content: string],
        ])[];
        const contents = (step: string): readonly string[] =>
          entries.filter(([, [name]]) => name === step).map(([, [, content]]) => content);
        return contents('output').slice(0, contents('end').length);
      },
      async stop() {
        connection.close();
        await server.stop();
      },
    };
  },
};
