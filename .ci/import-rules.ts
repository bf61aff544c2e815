/** The packages that each package may import. A new package needs a line here, which decides its direction. */
import { builtinModules } from 'node:module';
import { follow } from './repository.ts';
import type { Import } from './source-text.ts';

interface Rule {
  /** Packages of this workspace that it may import, as bare specifiers. */
  readonly own: readonly RegExp[];
  /** Packages from outside, or `declared`: those in `dependencies` of its manifest. */
  readonly outside: readonly string[] | 'declared';
  /** Specifiers that it may import for their types alone. */
  readonly typesOnly?: readonly RegExp[];
}

/** core and its subpaths for production code; `core/testing` is for tests. */
const publicCore = /^@worker-runtime\/core(\/(plugin-kit|scope|views))?$/;
const anyEntry = /^@worker-runtime\//;
/** The entries of published packages, which are all but those of `testing`. */
const publishedEntry = /^@worker-runtime\/(?!test-)/;

const rules: readonly (readonly [folder: RegExp, rule: Rule])[] = [
  [/^packages\/core$/, { own: [], outside: ['tapable'] }],
  [/^packages\/(plugin|facade)-[a-z0-9-]+$/, { own: [publicCore], outside: 'declared' }],
  [
    /^packages\/client$/,
    {
      own: [],
      outside: 'declared',
      typesOnly: [publicCore, /^@worker-runtime\/core\/archive$/, /^@worker-runtime\/[a-z-]+\/wire$/],
    },
  ],
  // it serves nothing: a transport serves a registry
  [/^packages\/registry$/, { own: [publicCore, /^@worker-runtime\/client$/], outside: 'declared' }],
  // it knows no store and no transport: a program gives it a membership, and a way to serve
  [/^packages\/cluster$/, { own: [publicCore, /^@worker-runtime\/registry$/], outside: 'declared' }],
  [
    /^packages\/backend$/,
    {
      own: [publicCore, /^@worker-runtime\/(console|registry|plugin-fs-store|plugin-http|plugin-ws|client)$/],
      outside: 'declared',
    },
  ],
  // its pages are bundled: what they import is not a dependency of the package
  [
    /^packages\/console$/,
    {
      own: [/^@worker-runtime\/client$/, /^@worker-runtime\/core\/views$/],
      outside: [
        '@tanstack/react-router',
        '@tanstack/react-virtual',
        'cmdk',
        'lucide-react',
        'marked',
        'react',
        'react-dom',
      ],
      typesOnly: [publicCore],
    },
  ],
  [/^packages\/cli$/, { own: [publishedEntry], outside: 'declared' }],
  // the tests of plugin-http use it, so it takes servers and documents as values
  [/^testing\/http$/, { own: [/^@worker-runtime\/core(\/plugin-kit)?$/], outside: 'declared' }],
  // tests of every package except core may use it, so it uses none of them
  [/^testing\/environment$/, { own: [], outside: 'declared' }],
  [
    /^testing\/facades$/,
    {
      own: [/^@worker-runtime\/core(\/testing)?$/, /^@worker-runtime\/(client|plugin-http|plugin-fs-store)$/],
      outside: 'declared',
    },
  ],
];

/** Files that may import computed names, because a person names the module: a plugin, a file of settings. */
const mayCompute = new Set(['packages/cli/src/compose.ts', 'testing/facades/server.ts']);

export function ruleFor(folder: string): Rule | undefined {
  return rules.find(([pattern]) => pattern.test(folder))?.[1];
}

const packageOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

/** Returns the reason why `file` of the package at `folder` must not have this import; `undefined` if it may. */
export function refusal(
  folder: string,
  file: string,
  found: Import,
  dependencies: readonly string[],
): string | undefined {
  const rule = ruleFor(folder);
  const { specifier } = found;
  if (rule === undefined) return `${file}: no import rule for ${folder}`;
  if (specifier === undefined) return mayCompute.has(file) ? undefined : `${file}: imports a computed name`;
  const refused = `${file}: must not import ${specifier}`;
  if (specifier.startsWith('.'))
    return follow(file, specifier).startsWith(`${folder}/`) ? undefined : `${refused}, outside its package`;
  if (specifier.startsWith('node:')) return undefined;
  if (builtinModules.includes(specifier)) return `${refused}, write node:${specifier}`;
  if (found.isTypeOnly && rule.typesOnly?.some((pattern) => pattern.test(specifier))) return undefined;
  if (anyEntry.test(specifier))
    return rule.own.some((pattern) => pattern.test(specifier)) ? undefined : refused;
  const allowed = rule.outside === 'declared' ? dependencies : rule.outside;
  return allowed.includes(packageOf(specifier)) ? undefined : refused;
}

const testFolder = /^((?:packages|examples)\/[^/]+)\/test\//;

/**
 * Returns the reason why `file` must not name `path`, which is relative to it; `undefined` if it may. The files in the test folder of a
 * workspace are for its own tests. Several workspaces share what is in `testing`, which their manifests name: a change there
 * runs their tests again.
 */
export function trespass(file: string, path: string): string | undefined {
  const target = follow(file, path);
  const owner = testFolder.exec(target)?.[1];
  return owner === undefined || file.startsWith(`${owner}/`)
    ? undefined
    : `${file}: must not use ${target}, the test of another workspace`;
}
