/** A real nginx in front of a backend, with the configuration of deploy/nginx.conf. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';

const KNOWN = ['/usr/sbin/nginx', '/usr/local/sbin/nginx', '/usr/bin/nginx'];
const { NGINX } = process.env;
/** The path of nginx: that in NGINX, or else the first one found at the usual paths. */
export const nginxPath = (NGINX === undefined ? KNOWN : [NGINX]).find((path) => existsSync(path));

/** Returns the configuration, for these ports and this certificate. */
const siteOf = (port: number, backendUrl: string, certificate: string, key: string): string => {
  let site = readFileSync(new URL('../../../deploy/nginx.conf', import.meta.url), 'utf8');
  for (const [written, used] of [
    ['listen 443 ssl', `listen 127.0.0.1:${port} ssl`],
    ['/etc/ssl/agents.example.pem', certificate],
    ['/etc/ssl/agents.example.key', key],
    ['http://127.0.0.1:8787', backendUrl],
  ] as const) {
    if (!site.includes(written)) throw new Error(`deploy/nginx.conf has no "${written}"`);
    site = site.replace(written, used);
  }
  return site;
};

const accepts = async (port: number): Promise<boolean> => {
  const socket = connect(port, '127.0.0.1');
  const isOpen = await Promise.race([
    once(socket, 'connect').then(() => true),
    once(socket, 'error').then(
      () => false,
      () => false,
    ),
  ]).catch(() => false);
  socket.destroy();
  return isOpen;
};

/** Starts nginx on a port, in front of the backend at an address. Returns the certificate, which it has signed itself. */
export const startNginx = async (
  t: ExecutionContext,
  path: string,
  folder: string,
  port: number,
  backendUrl: string,
): Promise<string> => {
  const [certificate, key] = [join(folder, 'site.pem'), join(folder, 'site.key')];
  execFileSync(
    'openssl',
    [
      ...[
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
      ],
      ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'],
      ...['-keyout', key, '-out', certificate],
    ],
    { stdio: 'ignore' },
  );
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${join(folder, name)};`,
  );
  const config = [
    'daemon off;',
    'master_process off;',
    `pid ${join(folder, 'nginx.pid')};`,
    'error_log stderr;',
    'events {}',
    `http { access_log off; ${temporary.join(' ')}`,
    siteOf(port, backendUrl, certificate, key),
    '}',
  ];
  const file = join(folder, 'nginx.conf');
  await writeFile(file, config.join('\n'));
  const child = spawn(path, ['-c', file, '-p', folder, '-e', 'stderr'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  child.stderr.on('data', (text) => {
    log = (log + String(text)).slice(-4_000);
  });
  const ended = once(child, 'exit');
  t.teardown(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  while (!(await accepts(port))) {
    if (child.exitCode !== null) throw new Error(`nginx ended: ${log}`);
    await delay(20);
  }
  return readFileSync(certificate, 'utf8');
};
