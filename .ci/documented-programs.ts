/**
 * Checks the types of the `ts` blocks of pages that import something. A block may be an excerpt, so names and modules that it leaves to the
 * reader are allowed. Prints one line for each fault. The arguments are the pages.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { read, root } from './repository.ts';

/** An unknown name, an unknown shorthand, an unknown module, and a parameter whose type follows from one of these. */
const ALLOWED = new Set(['TS2304', 'TS2552', 'TS18004', 'TS2307', 'TS7006']);

interface Block {
  readonly page: string;
  /** The line of the page before the first one of the block, counted from 1. */
  readonly line: number;
}

const folder = mkdtempSync(join(tmpdir(), 'documented-programs-'));
try {
  const blocks: Block[] = [];
  for (const page of process.argv.slice(2)) {
    const text = read(page);
    for (const { 1: program = '', index } of text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)) {
      if (!/^import /m.test(program)) continue;
      writeFileSync(join(folder, `${blocks.length}.mts`), `${program}export {};\n`);
      blocks.push({ page, line: text.slice(0, index).split('\n').length });
    }
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  const compilerOptions = { noEmit: true, composite: false, typeRoots: ['node_modules/@types'] };
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ extends: join(root, 'tsconfig.base.json'), compilerOptions, include: ['*.mts'] }),
  );
  const tsc = join(root, 'node_modules/.bin/tsc');
  const { stdout } = spawnSync(tsc, ['-p', folder, '--pretty', 'false'], { cwd: folder, encoding: 'utf8' });
  const faults = [...stdout.matchAll(/^(\d+)\.mts\((\d+),\d+\): error (TS\d+): (.*)$/gm)].flatMap(
    ([, block, line, code = '', message]) => {
      const found = blocks[Number(block)];
      if (!found || ALLOWED.has(code)) return [];
      return [`${found.page}:${found.line + Number(line)}: ${message} (${code})`];
    },
  );
  for (const fault of faults) console.log(fault);
  console.log(`${blocks.length} programs, ${faults.length} faults`);
  // any other output means that the compiler could not check them
  const isChecked = stdout === '' || /^\d+\.mts\(/m.test(stdout);
  if (!isChecked) console.log(stdout);
  process.exitCode = isChecked && faults.length === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true });
}
