import test from 'ava';
import { workspaces } from './repository.ts';
import { circles, FLOORS, graphOf, upwardImports } from './rooms.ts';

const packages = workspaces()
  .map(({ folder }) => folder)
  .filter((folder) => folder.startsWith('packages/'));

test('no package has a circle of imports, of types included', (t) => {
  t.deepEqual(
    packages.flatMap((folder) => circles(graphOf(folder))),
    [],
  );
});

test('imports lead to lower floors only', (t) => {
  for (const [folder, floors] of Object.entries(FLOORS))
    t.deepEqual(upwardImports(folder, floors, graphOf(folder)), [], folder);
});

test('a package with folders has floors', (t) => {
  const hasFolders = (folder: string): boolean =>
    [...graphOf(folder).keys()].some((file) => file.slice(`${folder}/src/`.length).includes('/'));
  t.deepEqual(
    packages.filter((folder) => hasFolders(folder) && !(folder in FLOORS)),
    [],
  );
});

test('every listed room exists', (t) => {
  for (const [folder, floors] of Object.entries(FLOORS)) {
    const files = [...graphOf(folder).keys()].map((file) => file.slice(`${folder}/src/`.length));
    for (const room of floors.flat())
      t.true(
        files.some((file) => file === `${room}.ts` || file.startsWith(`${room}/`)),
        `${folder}: ${room}`,
      );
  }
});

test('a circle and an upward import are found, and so is a room without a floor', (t) => {
  const graph = new Map([
    ['p/src/low/a.ts', ['p/src/high/b.ts']],
    ['p/src/high/b.ts', ['p/src/low/c.ts', 'p/src/other/d.ts']],
    ['p/src/low/c.ts', ['p/src/low/a.ts']],
    ['p/src/other/d.ts', []],
  ]);
  t.deepEqual(circles(graph), [['p/src/low/a.ts', 'p/src/high/b.ts', 'p/src/low/c.ts', 'p/src/low/a.ts']]);
  t.deepEqual(upwardImports('p', [['low'], ['high']], graph), [
    'p/src/low/a.ts: must not import p/src/high/b.ts, which is not on a lower floor',
    'p/src/high/b.ts: must not import p/src/other/d.ts, which is not on a lower floor',
    'p/src/other/d.ts: the room "other" is on no floor',
  ]);
});
