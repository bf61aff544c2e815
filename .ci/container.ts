/**
 * Prints the steps of deploy/Containerfile as a shell script, for a machine without a container engine. Each stage is a directory
 * below the first argument, and its absolute paths are below that directory. Packages of the system are not installed.
 */
import { posix } from 'node:path';
import { read } from './repository.ts';

const [, , place = ''] = process.argv;
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const lines = read('deploy/Containerfile')
  .replaceAll('\\\n', ' ')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'));

let stage = '';
let folder = '/';
const inside = (path: string, of = stage): string => `${place}/${of}${posix.resolve(folder, path)}`;
const script = ['set -euo pipefail'];
for (const line of lines) {
  const [, instruction = '', rest = ''] = /^(\w+)\s+(.*)$/.exec(line) ?? [];
  const words = rest.split(/\s+/);
  if (instruction === 'FROM') {
    stage = words[2] ?? 'final';
    folder = '/';
    script.push(`mkdir -p ${quoted(inside('/'))}`);
  } else if (instruction === 'WORKDIR') {
    folder = posix.resolve(folder, rest);
    script.push(`mkdir -p ${quoted(inside('.'))}`);
  } else if (instruction === 'COPY') {
    const from = /^--from=(\S+)$/.exec(words[0] ?? '')?.[1];
    const [source = '', target = ''] = words.slice(-2);
    const origin = from === undefined ? posix.join(place, 'context', source) : inside(source, from);
    script.push(
      `mkdir -p ${quoted(inside(target))}`,
      `cp -a ${quoted(`${origin}/.`)} ${quoted(inside(target))}`,
    );
  } else if (instruction === 'RUN' && !/^(apt-get|npm install --global)/.test(rest)) {
    const command = rest.replaceAll(
      /(^|\s)\/(build|data)\b/g,
      (_, before, name) => `${before}${place}/${stage}/${name}`,
    );
    script.push(`(cd ${quoted(inside('.'))} && ${command.replace(/ && chown .*$/, '')})`);
  }
}
console.log(script.join('\n'));
