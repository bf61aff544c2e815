import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { isAccepting } from './is-accepting.ts';

/** The folder of PostgreSQL's programs: `POSTGRES_BIN`, or that of the newest Debian package. @throws POSTGRES_BIN has none */
const binFolder = (): string | null => {
  const named = process.env.POSTGRES_BIN;
  if (named !== undefined && !existsSync(join(named, 'initdb')))
    throw new Error('POSTGRES_BIN has no initdb');
  if (named !== undefined) return named;
  const root = '/usr/lib/postgresql';
  if (!existsSync(root)) return null;
  const newest = readdirSync(root)
    .filter((version) => existsSync(join(root, version, 'bin', 'initdb')))
    .sort((a, b) => Number(b) - Number(a))[0];
  return newest === undefined ? null : join(root, newest, 'bin');
};

interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** Returns the account that runs servers, because they refuse to run as root. Null means that of this process. */
export const serverAccount = (): Account | null => {
  if (userInfo().uid !== 0) return null;
  const idOf = (flag: string): number => Number(spawnSync('id', [flag, 'postgres']).stdout.toString());
  return { uid: idOf('-u'), gid: idOf('-g') };
};

const BIN = binFolder();

/** Returns the path of one of PostgreSQL's programs. */
export const tool = (name: string): string => join(BIN ?? '', name);

const reasonWithout = (): string | null => {
  if (BIN === null) return 'PostgreSQL is not installed; set POSTGRES_BIN';
  return serverAccount()?.uid === 0
    ? 'PostgreSQL does not run as root, and there is no account "postgres"'
    : null;
};

/** The reason why there is no server for tests; null if there is one. */
export const WITHOUT_POSTGRES = reasonWithout();

/** The least time to wait between two attempts to connect, in milliseconds. */
const RETRY_MS = 20;

/** Ports below those that systems give to connections and to servers with port 0, which could take a free one at any moment. */
const FIRST_PORT = 15_000;
const PORTS = 15_000;

/** Returns a port of which a server may be started, and started again. */
export const freePort = async (): Promise<number> => {
  for (;;) {
    const port = FIRST_PORT + randomInt(PORTS);
    const server = createServer().listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch {
      continue;
    }
    server.close();
    await once(server, 'close');
    return port;
  }
};

export interface UrlParts {
  readonly port?: number;
  readonly user?: string;
  readonly password?: string;
  readonly database?: string;
  readonly query?: string;
}

/** Makes the tables of a store: `migrate` of plugin-postgres-store. */
type Migrate = (options: { readonly url: string; readonly grantTo: string }) => Promise<unknown>;

/** A PostgreSQL server in a temporary directory, with the superuser `owner` and the role `worker`, which may connect. */
export class PostgresServer {
  readonly port: number;
  readonly #root: string;
  readonly #account: Account | null;
  readonly #settings: readonly string[];
  #process: ChildProcess | null = null;

  private constructor(root: string, port: number, account: Account | null, settings: readonly string[]) {
    this.#root = root;
    this.port = port;
    this.#account = account;
    this.#settings = settings;
  }

  static async #make(settings: readonly string[]): Promise<PostgresServer> {
    const account = serverAccount();
    const root = await mkdtemp(join(tmpdir(), 'worker-runtime-postgres-'));
    if (account) await chown(root, account.uid, account.gid);
    return new PostgresServer(root, await freePort(), account, settings);
  }

  /** Starts a server with these settings besides the usual ones, such as `max_connections=200`. */
  static async start(settings: readonly string[] = []): Promise<PostgresServer> {
    const server = await PostgresServer.#make(settings);
    const root = server.#root;
    await writeFile(join(root, 'password'), 'owner-password', { mode: 0o644 });
    await server.#tool('initdb', [
      '--username=owner',
      `--pwfile=${join(root, 'password')}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C.UTF-8',
      '--no-sync',
      server.data,
    ]);
    await server.run();
    await server.query("create role worker login password 'worker-password'");
    return server;
  }

  /** Starts a standby of a server, which follows it until it is promoted. */
  static async standbyOf(primary: PostgresServer): Promise<PostgresServer> {
    const server = await PostgresServer.#make(primary.#settings);
    await server.#tool('pg_basebackup', [
      `--pgdata=${server.data}`,
      `--dbname=${primary.url()}`,
      '--write-recovery-conf',
      '--checkpoint=fast',
      '--no-sync',
    ]);
    await server.run();
    return server;
  }

  /** Takes a base backup of a server. Returns a server on it that does not run yet. */
  static async backupOf(primary: PostgresServer): Promise<PostgresServer> {
    const server = await PostgresServer.#make(primary.#settings);
    const from = [`--pgdata=${server.data}`, `--dbname=${primary.url()}`];
    await server.#tool('pg_basebackup', [...from, '--checkpoint=fast', '--no-sync']);
    return server;
  }

  /** Writes a file into the data directory, which only the server can read. Returns its path. */
  async addFile(name: string, content: string): Promise<string> {
    const path = join(this.data, name);
    await writeFile(path, content, { mode: 0o600 });
    if (this.#account) await chown(path, this.#account.uid, this.#account.gid);
    return path;
  }

  /** The folder of the server's Unix socket. */
  get socketFolder(): string {
    return this.#root;
  }

  get data(): string {
    return join(this.#root, 'data');
  }

  /** Returns a URL of the server. Without parts, that of the superuser. */
  url({
    port = this.port,
    user = 'owner',
    password = `${user}-password`,
    database = 'postgres',
    query = '',
  }: UrlParts = {}): string {
    return `postgres://${user}:${password}@127.0.0.1:${port}/${database}${query}`;
  }

  /** Makes a database. With `migrate`, it has the tables of the store, which the role `worker` may use. Returns its name. */
  async makeDatabase(name: string, migrate?: Migrate, options = ''): Promise<string> {
    await this.query(`create database ${name} ${options}`);
    await migrate?.({ url: this.url({ database: name }), grantTo: 'worker' });
    return name;
  }

  /** Runs a statement, as the superuser unless another role is named. */
  async query(
    text: string,
    values: readonly unknown[] = [],
    database = 'postgres',
    user = 'owner',
  ): Promise<readonly unknown[][]> {
    const client = new Client({ connectionString: this.url({ database, user }) });
    client.on('error', () => {});
    await client.connect();
    try {
      const { rows } = await client.query<unknown[]>({ text, values: [...values], rowMode: 'array' });
      return rows;
    } finally {
      await client.end();
    }
  }

  /** Starts the process of the server, and waits until it accepts statements. */
  async run(): Promise<void> {
    const settings = [
      'listen_addresses=127.0.0.1',
      `unix_socket_directories=${this.#root}`,
      ...this.#settings,
    ];
    const child = spawn(
      join(BIN ?? '', 'postgres'),
      ['-D', this.data, '-p', String(this.port), ...settings.flatMap((setting) => ['-c', setting])],
      { stdio: ['ignore', 'ignore', 'pipe'], ...this.#account },
    );
    let log = '';
    child.stderr?.on('data', (text) => {
      log = (log + String(text)).slice(-4_000);
    });
    this.#process = child;
    const quit = (): boolean => child.kill('SIGQUIT');
    process.once('exit', quit);
    child.once('exit', () => process.off('exit', quit));
    for (;;) {
      if (child.exitCode !== null) throw new Error(`PostgreSQL ended: ${log}`);
      try {
        await this.query('select 1');
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  /** Ends all processes of the server with SIGKILL. */
  async kill(): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    // so that it starts no further process, which would keep the shared memory and the next start from it
    child.kill('SIGSTOP');
    const children = spawnSync('pgrep', ['-P', String(child.pid)])
      .stdout.toString()
      .split('\n')
      .filter(Boolean);
    child.kill('SIGKILL');
    for (const pid of children) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch {
        // it has ended already
      }
    }
    await exited;
    while (await isAccepting(this.port)) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }

  /** Ends the server and removes its directory. */
  async dispose(): Promise<void> {
    const child = this.#process;
    if (child && child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit');
      child.kill('SIGQUIT');
      await exited;
    }
    await rm(this.#root, { recursive: true, force: true });
  }

  async #tool(name: string, values: readonly string[]): Promise<void> {
    const child = spawn(join(BIN ?? '', name), values, {
      stdio: ['ignore', 'ignore', 'pipe'],
      ...this.#account,
    });
    let log = '';
    child.stderr.on('data', (text) => {
      log += String(text);
    });
    const [code] = (await once(child, 'exit')) as [number | null];
    if (code !== 0) throw new Error(`${name} failed: ${log}`);
  }
}
