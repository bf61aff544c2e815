import { runtimeClient } from '@worker-runtime/client';
import { version } from '@worker-runtime/core';
import { connections, type HttpConnection } from './http-connection.ts';
import { CLIENTS } from './jobs.ts';
import type { Peer } from './peer.ts';
import { createRepeaters, storedOutputs, textOf, workerIdOf } from './repeater.ts';
import { startProcess } from './server-process.ts';

const PROGRAM = new URL('served-runtime-process.ts', import.meta.url);
const HEADERS = { 'content-type': 'application/json', prefer: 'wait=60' };

/** The part of an answer to an input that the job needs. */
interface Answer {
  readonly run: {
    readonly outcome: string;
    readonly messages: readonly Parameters<typeof textOf>[0][];
  } | null;
}

const job = async (connection: HttpConnection, client: number, text: string): Promise<string> => {
  const path = `/v1/runtimes/self/workers/${workerIdOf(client)}/inputs`;
  const body = await connection.post(path, HEADERS, JSON.stringify({ text }));
  const { run } = JSON.parse(body) as Answer;
  const message = run?.messages.at(-1);
  if (run?.outcome !== 'completed' || !message) throw new Error(`The run failed: ${body}`);
  return textOf(message);
};

export const servedFsStore: Peer = {
  id: 'fs-store-http',
  what: 'Runtime with fs-store, over HTTP (`Prefer: wait`)',
  prepare: async () => null,
  async start(dir) {
    const server = await startProcess<{ readonly port: number }>(PROGRAM, [dir]);
    const { port } = server.ready;
    const runtime = runtimeClient({ url: `http://127.0.0.1:${port}` });
    await createRepeaters(runtime);
    const clients = await connections(port, CLIENTS);
    return {
      version,
      job: (client, _job, text) => job(clients[client] as HttpConnection, client, text),
      stored: (client) => storedOutputs(runtime, client),
      async stop() {
        for (const client of clients) client.close();
        await server.stop();
      },
    };
  },
};
