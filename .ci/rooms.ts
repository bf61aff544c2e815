/** The order of the rooms (folders) inside each package, and the checks that imports follow it. Types count as imports. */
import { follow, read, sources } from './repository.ts';
import { importsOf } from './source-text.ts';

/**
 * The rooms of a package from the lowest floor to the highest. A file directly in `src` is a room of its own, named
 * without its extension. A room imports rooms of lower floors only; rooms on one floor do not import each other.
 */
export type Floors = readonly (readonly string[])[];

export const FLOORS: Readonly<Record<string, Floors>> = {
  'packages/core': [
    ['contracts', 'id', 'reused-memory', 'version'],
    ['steady-clock'],
    ['canonical-json', 'in-time', 'time-limit', 'admission', 'archive', 'log', 'memory-store', 'views'],
    ['plugin-kit', 'diagnostics', 'domain', 'store-reads'],
    ['workers'],
    ['journal'],
    ['observation', 'execution'],
    ['commands', 'scope'],
    ['runtime'],
    ['index', 'testing'],
  ],
  'packages/plugin-fs-store': [
    ['disk'],
    ['layout'],
    ['wal'],
    ['files'],
    ['read', 'checkpoint'],
    ['recovery'],
    ['store'],
    ['doctor'],
    ['fs-store'],
    ['plugin'],
    ['index'],
  ],
  'packages/plugin-postgres-store': [
    ['metrics', 'database'],
    ['schema', 'store-settings'],
    ['log', 'membership', 'ownership'],
    ['group', 'read'],
    ['checkpoint'],
    ['store'],
    ['postgres-store'],
    ['plugin'],
    ['index'],
  ],
  'packages/plugin-http': [
    ['access', 'metrics', 'request-target', 'traffic'],
    ['message'],
    ['logging', 'wire'],
    ['directory', 'embedder', 'errors', 'mount', 'options', 'route-table', 'streams'],
    ['configured-access', 'one-runtime', 'schema'],
    ['exchange', 'routes'],
    ['app', 'upgrades'],
    ['http-server'],
    ['http'],
    ['index'],
  ],
  'packages/cli': [
    ['pages', 'suggestion', 'text-width'],
    [
      'acp',
      'data-folder',
      'failure',
      'display-text',
      'printable',
      'literal-words',
      'output',
      'defined',
      'table',
      'worker-text',
      'echo',
      'otel-export',
      'first-process',
      'compiled-code',
      'stop-signal',
    ],
    ['client-failure'],
    [
      'run-failure',
      'top',
      'local-access',
      'kept-tokens',
      'option-value',
      'standard-stream',
      'through-restart',
      'local-file',
    ],
    ['log-destination', 'client-command', 'archive-text', 'login-call'],
    ['log'],
    ['attach', 'plugin-option', 'process-faults'],
    ['compose', 'start-failure'],
    ['settings'],
    ['commands'],
    ['definition'],
    ['completion'],
    ['command-tree'],
    ['command-line'],
    ['main'],
  ],
  'packages/console': [['app', 'index']],
  'packages/plugin-acp': [
    ['options'],
    ['worker'],
    ['agent'],
    ['session'],
    ['acp-session'],
    ['acp-engine'],
    ['acp'],
    ['index'],
  ],
  'packages/plugin-ai-sdk': [
    ['validation', 'text-beginning', 'model-object'],
    ['options'],
    ['secrets', 'request-options', 'taken-files'],
    ['worker-config'],
    ['model'],
    ['conversation', 'tools'],
    ['model-run'],
    ['ai-sdk-engine'],
    ['ai-sdk'],
    ['index'],
  ],
  'packages/backend': [
    ['loopback', 'audit', 'companion', 'drain-together', 'worker-quota'],
    ['people'],
    ['policy'],
    ['config', 'policy-file'],
    ['workspace'],
    ['member'],
    ['backend-access', 'local-archives', 'mounted-plugins', 'workspace-directory'],
    ['audited', 'routes'],
    ['backend'],
    ['index'],
  ],
  'packages/plugin-legacy-pod': [
    ['records'],
    ['wire', 'log'],
    ['pod'],
    ['link'],
    ['runs'],
    ['options', 'pod-session'],
    ['legacy-pod-engine'],
    ['legacy-pod'],
    ['index'],
  ],
};

/** The room of a source: the folder below `src`, or the name of a file directly in it. */
const roomOf = (folder: string, file: string): string =>
  (file.slice(`${folder}/src/`.length).split('/')[0] ?? '').replace(/\.ts$/, '');

type Graph = ReadonlyMap<string, readonly string[]>;

/** Each source of a package with the sources of the same package that it imports, types included. */
export const graphOf = (folder: string): Graph =>
  new Map(
    sources(`${folder}/src`).map((file) => [
      file,
      importsOf(read(file)).flatMap(({ specifier }) =>
        specifier?.startsWith('.') ? [follow(file, specifier)] : [],
      ),
    ]),
  );

/** The imports of a graph that do not lead to a lower floor, and the rooms that no floor names. */
export function upwardImports(folder: string, floors: Floors, graph: Graph): string[] {
  const floorOf = new Map(floors.flatMap((rooms, floor) => rooms.map((room) => [room, floor] as const)));
  const found: string[] = [];
  for (const [file, imported] of graph) {
    const room = roomOf(folder, file);
    const floor = floorOf.get(room);
    if (floor === undefined) {
      found.push(`${file}: the room "${room}" is on no floor`);
      continue;
    }
    for (const target of imported) {
      const targetRoom = roomOf(folder, target);
      if (targetRoom !== room && (floorOf.get(targetRoom) ?? Number.POSITIVE_INFINITY) >= floor)
        found.push(`${file}: must not import ${target}, which is not on a lower floor`);
    }
  }
  return found;
}

/** The circles of a graph, each as the files of one circle. Costs the number of files and imports. */
export function circles(graph: Graph): string[][] {
  const found: string[][] = [];
  const state = new Map<string, 'open' | 'done'>();
  const path: string[] = [];
  const visit = (file: string): void => {
    state.set(file, 'open');
    path.push(file);
    for (const target of graph.get(file) ?? []) {
      if (state.get(target) === 'open') found.push([...path.slice(path.indexOf(target)), target]);
      else if (!state.has(target)) visit(target);
    }
    path.pop();
    state.set(file, 'done');
  };
  for (const file of graph.keys()) if (!state.has(file)) visit(file);
  return found;
}
