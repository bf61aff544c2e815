/** Runs a command with a PostgreSQL server, whose URL is in WORKER_RUNTIME_POSTGRES_URL. Without PostgreSQL, it runs without one. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { PostgresServer, WITHOUT_POSTGRES } from '@worker-runtime/test-environment/postgres-server';

const [command = 'true', ...args] = process.argv.slice(2);
if (WITHOUT_POSTGRES !== null) console.log(`without a database: ${WITHOUT_POSTGRES}`);
const server = WITHOUT_POSTGRES === null ? await PostgresServer.start(['max_connections=200']) : null;
const variables = server === null ? {} : { WORKER_RUNTIME_POSTGRES_URL: server.url() };
const child = spawn(command, args, { stdio: 'inherit', env: { ...process.env, ...variables } });
const [code] = (await once(child, 'exit')) as [number | null];
await server?.dispose();
process.exit(code ?? 1);
