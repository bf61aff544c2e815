import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '@worker-runtime/test-environment/postgres-server';
import { connections, type HttpConnection } from './http-connection.ts';
import { imported, install, type Packages, resolved } from './installed-packages.ts';
import { CLIENTS, outputOf } from './jobs.ts';
import type { Peer } from './peer.ts';
import { startServer } from './spawned-server.ts';

/*
 * The job of Restate: it stores the invocation, the result of a durable step, and the end of the invocation. An idempotency key for each
 * invocation lets the bench read its result again. Restate's log is synced with its defaults.
 */

const SERVER = '1.7.12';
/** The last one for Node 20. */
const SDK = '1.14.5';
const PACKAGES: Packages = { '@restatedev/restate-server': SERVER, '@restatedev/restate-sdk': SDK };
const RETRY_MS = 50;
const HANDLER = '/repeater/work';

/** The part of the SDK that the job needs. */
interface Sdk {
  service(definition: {
    readonly name: string;
    readonly handlers: Readonly<Record<string, (context: Context, input: string) => Promise<string>>>;
  }): unknown;
  serve(options: {
    readonly services: readonly unknown[];
    readonly port: number;
    readonly logger: (about: { readonly level: string }, ...message: readonly unknown[]) => void;
  }): Promise<number>;
}

interface Context {
  run(name: string, action: () => string): Promise<string>;
}

/** Posts JSON until the server accepts it. */
const register = async (url: string, body: object): Promise<void> => {
  for (;;) {
    try {
      const { ok, status } = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      if (ok) return;
      if (status < 500) throw new Error(`Restate refused the service with ${status}`);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
    await delay(RETRY_MS);
  }
};

const invoke = async (
  connection: HttpConnection,
  client: number,
  job: number,
  input: string,
): Promise<string> => {
  const headers = { 'content-type': 'application/json', 'idempotency-key': `${client}-${job}` };
  return JSON.parse(await connection.post(HANDLER, headers, JSON.stringify(input))) as string;
};

export const restate: Peer = {
  id: 'restate',
  what: 'Restate: an invocation with one durable step',
  prepare: () => install(PACKAGES),
  async start(folder) {
    const sdk = await imported<Sdk>(PACKAGES, '@restatedev/restate-sdk');
    const repeater = sdk.service({
      name: 'repeater',
      handlers: { work: (context, input) => context.run('output', () => outputOf(input)) },
    });
    const servicePort = await sdk.serve({
      services: [repeater],
      port: await freePort(),
      logger: ({ level }, ...message) => {
        if (level === 'error') console.error(...message);
      },
    });
    const [ingress, admin, fabric] = [await freePort(), await freePort(), await freePort()];
    const program = resolved(
      PACKAGES,
      `@restatedev/restate-server-${process.platform}-${process.arch}/bin/restate-server`,
    );
    const server = startServer(program, ['--no-logo'], {
      RESTATE_BASE_DIR: folder,
      RESTATE_BIND_IP: '127.0.0.1',
      RESTATE_LISTEN_MODE: 'tcp',
      RESTATE_BIND_PORT: String(fabric),
      RESTATE_INGRESS__BIND_PORT: String(ingress),
      RESTATE_ADMIN__BIND_PORT: String(admin),
      RESTATE_DISABLE_TELEMETRY: 'true',
    });
    await server.during(
      register(`http://127.0.0.1:${admin}/deployments`, { uri: `http://127.0.0.1:${servicePort}` }),
    );
    const clients = await connections(ingress, CLIENTS);
    const connectionOf = (client: number): HttpConnection => clients[client] as HttpConnection;
    return {
      version: `Restate ${SERVER}, SDK ${SDK}`,
      job: (client, job, input) => invoke(connectionOf(client), client, job, input),
      async stored(client, jobs) {
        const outputs: string[] = [];
        // Restate answers a key that it knows with the stored result. The input of this request has never been worked on.
        for (let job = 0; job < jobs; job += 1)
          outputs.push(await invoke(connectionOf(client), client, job, 'read'));
        return outputs;
      },
      async stop() {
        for (const client of clients) client.close();
        await server.stop();
      },
    };
  },
};
