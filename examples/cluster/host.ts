import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** A host in a process of its own, as on another machine. */
export interface Host {
  readonly name: string;
  readonly url: string;
  readonly process: ChildProcess;
}

/** Starts a host, and waits until it serves. */
export const startHost = (name: string, databaseUrl: string): Promise<Host> => {
  const lease = ['--postgres-store.leaseMs', '2000'];
  const plugins = ['--plugin', 'postgres-store', '--plugin', 'echo'];
  // npm puts the programs of the dependencies into the path
  const child = spawn('worker-runtime', [...plugins, ...lease, 'host', '--port', '0', '--name', name], {
    env: { ...process.env, WORKER_RUNTIME_POSTGRES_STORE_URL: databaseUrl },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the host ${name} ended with ${code}`)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [, url] = /^worker-runtime host \S+ listening on (\S+)/.exec(line) ?? [];
      if (url !== undefined) resolve({ name, url, process: child });
    });
  });
};
