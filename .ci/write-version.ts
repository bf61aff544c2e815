/** Copies the version of core's manifest to its source, after `changeset version` has raised it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Manifest, read, readJson, root } from './repository.ts';

const file = 'packages/core/src/version.ts';
const { version = '' } = readJson<Manifest>('packages/core/package.json');
const line = /^export const version = '.*';$/m;
if (!line.test(read(file))) throw new TypeError(`${file} has no line that exports the version`);
writeFileSync(join(root, file), read(file).replace(line, `export const version = '${version}';`));
