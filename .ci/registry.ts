/**
 * Serves the tarballs of a folder as a registry of npm, as they would be published, and runs a command with its address:
 * `node --import tsx .ci/registry.ts <folder> <command>…`. npm then installs by name, and other packages from the usual registry.
 */
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

const [, , folder = '', program = '', ...args] = process.argv;
const published = new Map(
  readdirSync(folder).map((file) => {
    const path = join(folder, file);
    const manifest: { readonly name: string; readonly version: string } = JSON.parse(
      execFileSync('tar', ['-xOf', path, 'package/package.json'], { encoding: 'utf8' }),
    );
    const integrity = `sha512-${createHash('sha512').update(readFileSync(path)).digest('base64')}`;
    return [manifest.name, { manifest, path, integrity }] as const;
  }),
);

const server = createServer((request, response) => {
  const [name = '', part] = decodeURIComponent(request.url ?? '')
    .slice(1)
    .split('/-/');
  const found = published.get(name);
  if (found === undefined) return response.writeHead(404).end('{}');
  if (part !== undefined) return response.end(readFileSync(found.path));
  const { manifest, integrity } = found;
  const dist = { tarball: `${address()}/${name}/-/package.tgz`, integrity };
  return response.setHeader('content-type', 'application/json').end(
    JSON.stringify({
      name,
      'dist-tags': { latest: manifest.version },
      versions: { [manifest.version]: { ...manifest, dist } },
    }),
  );
});
const address = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

server.listen(0, '127.0.0.1', () => {
  const child = spawn(program, args, {
    stdio: 'inherit',
    // npm reads this variable for the scope of our packages
    env: { ...process.env, 'npm_config_@worker-runtime:registry': address() },
  });
  child.once('exit', (code) => process.exit(code ?? 1));
});
