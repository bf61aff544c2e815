import { Client } from 'pg';
import { CLIENTS, outputOf } from './jobs.ts';
import type { Peer } from './peer.ts';
import { preparePostgres, startPostgres } from './postgres-server.ts';

/* The least that three commits cost: a prepared insert each, which is a transaction, on a connection for each client. */

const TABLE =
  'create table commits (client int, job int, step int, content text, primary key (client, job, step))';
const INSERT = 'insert into commits values ($1, $2, $3, $4)';
const STORED = `select content from commits as output where client = $1 and step = 2
  and exists (select from commits where client = output.client and job = output.job and step = 3) order by job`;

export const rawPostgres: Peer = {
  id: 'postgres',
  what: `PostgreSQL, bare: three inserts, each a transaction, on ${CLIENTS} connections`,
  prepare: preparePostgres,
  async start() {
    const { server, version } = await startPostgres();
    await server.query(TABLE);
    const clients = Array.from({ length: CLIENTS }, () => new Client({ connectionString: server.url() }));
    await Promise.all(clients.map((client) => client.connect()));
    const commit = (client: number, job: number, step: number, content: string): Promise<unknown> =>
      (clients[client] as Client).query({
        name: 'commit',
        text: INSERT,
        values: [client, job, step, content],
      });
    return {
      version,
      async job(client, job, input) {
        await commit(client, job, 1, input);
        const output = outputOf(input);
        await commit(client, job, 2, output);
        await commit(client, job, 3, 'completed');
        return output;
      },
      async stored(client) {
        const rows = await server.query(STORED, [client]);
        return rows.map(([content]) => String(content));
      },
      async stop() {
        await Promise.all(clients.map((client) => client.end()));
        await server.dispose();
      },
    };
  },
};
