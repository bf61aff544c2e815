import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAccepting } from '@worker-runtime/test-environment/is-accepting';
import {
  freePort,
  type PostgresServer,
  serverAccount,
} from '@worker-runtime/test-environment/postgres-server';

const PROGRAM = process.env.PGBOUNCER ?? '/usr/sbin/pgbouncer';
/** The reason why there is no PgBouncer for tests; null if there is one. */
export const WITHOUT_PGBOUNCER = existsSync(PROGRAM) ? null : 'PgBouncer is not installed; set PGBOUNCER';

const RETRY_MS = 20;

/** A PgBouncer in transaction mode in front of a server, with fewer server connections than a store has. */
export class PgBouncer {
  readonly port: number;
  readonly #root: string;
  readonly #process: ChildProcess;

  private constructor(port: number, root: string, process: ChildProcess) {
    this.port = port;
    this.#root = root;
    this.#process = process;
  }

  static async before(server: PostgresServer): Promise<PgBouncer> {
    const root = await mkdtemp(join(tmpdir(), 'worker-runtime-pgbouncer-'));
    await chmod(root, 0o755);
    const port = await freePort();
    await writeFile(join(root, 'users'), '"worker" "worker-password"\n');
    const config = [
      '[databases]',
      `* = host=127.0.0.1 port=${server.port}`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${port}`,
      'unix_socket_dir =',
      'auth_type = scram-sha-256',
      `auth_file = ${join(root, 'users')}`,
      'pool_mode = transaction',
      'default_pool_size = 3',
      'max_client_conn = 500',
    ];
    await writeFile(join(root, 'pgbouncer.ini'), config.join('\n'));
    const child = spawn(PROGRAM, [join(root, 'pgbouncer.ini')], {
      stdio: ['ignore', 'ignore', 'pipe'],
      ...serverAccount(),
    });
    let log = '';
    child.stderr.on('data', (text) => {
      log = (log + String(text)).slice(-4_000);
    });
    const bouncer = new PgBouncer(port, root, child);
    while (!(await isAccepting(bouncer.port))) {
      if (child.exitCode !== null) throw new Error(`PgBouncer ended: ${log}`);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
    return bouncer;
  }

  async dispose(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const exited = once(this.#process, 'exit');
      this.#process.kill('SIGKILL');
      await exited;
    }
    await rm(this.#root, { recursive: true, force: true });
  }
}
