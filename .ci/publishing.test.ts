import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { parse } from 'yaml';
import { type Manifest, read, readJson, root, workspaces } from './repository.ts';

interface Published extends Manifest {
  readonly private?: boolean;
  readonly description?: string;
  readonly homepage?: string;
  readonly bugs?: string;
  readonly keywords?: readonly string[];
  readonly repository?: { readonly type: string; readonly url: string; readonly directory?: string };
  readonly publishConfig?: { readonly access?: string; readonly provenance?: boolean };
}

const project = readJson<Published>('package.json');
const address = project.repository?.url.replace(/^git\+|\.git$/g, '') ?? '';
const packages = workspaces()
  .filter(({ folder }) => folder.startsWith('packages/'))
  .map(({ folder }) => ({ folder, manifest: readJson<Published>(`${folder}/package.json`) }));

test('each package names the repository of the root, its own folder and its pages', (t) => {
  t.regex(address, /^https:\/\/github\.com\/[\w-]+\/[\w-]+$/);
  for (const { folder, manifest } of packages) {
    t.deepEqual(
      manifest.repository,
      { type: 'git', url: project.repository?.url ?? '', directory: folder },
      folder,
    );
    t.is(manifest.homepage, `${address}/tree/main/${folder}#readme`, folder);
    t.is(manifest.bugs, `${address}/issues`, folder);
    t.is(manifest.bugs, project.bugs, folder);
    t.true((manifest.keywords?.length ?? 0) > 2, `${folder}: keywords`);
    t.true((manifest.description?.length ?? 0) > 20, `${folder}: description`);
    t.deepEqual(manifest.publishConfig, { access: 'public', provenance: true }, folder);
    t.is(read(`${folder}/LICENSE`), read('LICENSE'), folder);
  }
});

test('npm packs each package with its license, page, programs and types, and no test or private folder', (t) => {
  // the dry run of `npm pack` builds the packages; `prepack` was checked by `.ci/packed`
  const { stdout } = spawnSync(
    'npm',
    ['pack', '--workspace', 'packages', '--dry-run', '--json', '--ignore-scripts'],
    {
      encoding: 'utf8',
      cwd: root,
    },
  );
  const packed = JSON.parse(stdout) as readonly {
    readonly name: string;
    readonly files: readonly { readonly path: string }[];
  }[];
  t.deepEqual(
    packed.map(({ name }) => name).toSorted(),
    packages.map(({ manifest }) => manifest.name).toSorted(),
  );
  for (const { name, files } of packed) {
    const paths = files.map(({ path }) => path);
    for (const file of ['LICENSE', 'README.md', 'package.json'])
      t.true(paths.includes(file), `${name}: ${file}`);
    t.true(
      paths.some((path) => /^dist\/.*\.d\.ts$/.test(path)),
      `${name}: types`,
    );
    const folders = [
      'bin',
      'bundle',
      'dist',
      'src',
      'assets',
      'LICENSE',
      'README.md',
      'FORMAT.md',
      'package.json',
    ];
    t.deepEqual(
      [...new Set(paths.map((path) => path.split('/')[0] ?? ''))].filter((one) => !folders.includes(one)),
      [],
      name,
    );
  }
});

test('no page runs a package with npx that is not ours or installed here', (t) => {
  const pages = [
    'README.md',
    'CONTRIBUTING.md',
    ...['docs', ...packages.map(({ folder }) => folder)].flatMap((folder) =>
      readdirSync(join(root, folder))
        .filter((name) => name.endsWith('.md'))
        .map((name) => `${folder}/${name}`),
    ),
  ];
  const own = new Set(packages.map(({ manifest }) => manifest.name));
  const tools = new Set(['ava', 'tsc', 'vite', 'changeset', 'openapi-typescript']);
  for (const page of pages)
    for (const [, name = ''] of read(page).matchAll(/\bnpx (?:-y |--yes )?((?:@[\w-]+\/)?[\w-]+)/g))
      t.true(own.has(name) || tools.has(name), `${page}: npx ${name}`);
});

test('pages link to the repository of the root and to no other one of its name', (t) => {
  for (const page of ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', '.github/ISSUE_TEMPLATE/config.yml'])
    for (const [found] of read(page).matchAll(/https:\/\/github\.com\/[\w-]+\/worker-runtime\b/g))
      t.is(found, address, page);
});

test('all packages have one version, a changelog, and a line in the root changelog', (t) => {
  const versions = new Set(packages.map(({ manifest }) => manifest.version));
  t.is(versions.size, 1);
  const [version = ''] = versions;
  t.true(read('packages/core/src/version.ts').includes(`export const version = '${version}';`));
  for (const { folder, manifest } of packages) {
    const page = read(`${folder}/CHANGELOG.md`);
    t.true(page.startsWith(`# ${manifest.name}\n\n## ${version}\n`), `${folder}/CHANGELOG.md`);
    t.true(read('CHANGELOG.md').includes(`- [${manifest.name}](${folder}/CHANGELOG.md)\n`), folder);
  }
  t.true(read('docs/upgrading.md').includes('\n## '));
});

test('changesets release all packages together, and no private one', (t) => {
  const { fixed, access, baseBranch, privatePackages } = readJson<{
    readonly fixed: readonly (readonly string[])[];
    readonly access: string;
    readonly baseBranch: string;
    readonly privatePackages: { readonly version: boolean; readonly tag: boolean };
  }>('.changeset/config.json');
  t.is(fixed.length, 1);
  const patterns = fixed[0] ?? [];
  const fits = (name: string, pattern: string) => new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(name);
  const released = (name: string): boolean =>
    patterns.some((pattern) => fits(name, pattern)) &&
    !patterns.some((pattern) => pattern.startsWith('!') && fits(name, pattern.slice(1)));
  t.deepEqual(
    workspaces()
      .filter(({ manifest }) => released(manifest.name))
      .map(({ folder }) => folder)
      .toSorted(),
    packages.map(({ folder }) => folder).toSorted(),
  );
  t.deepEqual([access, baseBranch, privatePackages], ['public', 'main', { version: false, tag: false }]);
});

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
}
interface Job {
  readonly uses?: string;
  readonly needs?: string;
  readonly 'timeout-minutes'?: number;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly steps?: readonly Step[];
}
interface Workflow {
  readonly on: Readonly<Record<string, unknown>>;
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, Job>>;
}

const workflow = (name: string): Workflow => parse(read(`.github/workflows/${name}`)) as Workflow;

test('CI runs .ci/run, for pull requests and before a release', (t) => {
  const { on, jobs } = workflow('ci.yml');
  t.true('pull_request' in on && 'workflow_call' in on);
  t.true(jobs.run?.steps?.some(({ run }) => run === '.ci/run'));
  const { release, ci } = workflow('release.yml').jobs;
  t.is(ci?.uses, './.github/workflows/ci.yml');
  t.is(release?.needs, 'ci');
});

test('a release signs the provenance, by scripts that exist', (t) => {
  const { release } = workflow('release.yml').jobs;
  t.is(release?.permissions?.['id-token'], 'write');
  const action = release?.steps?.find(({ uses }) => uses?.startsWith('changesets/action@'));
  for (const key of ['version', 'publish']) {
    const [, script = ''] = /^npm run (\S+)$/.exec(String(action?.with?.[key])) ?? [];
    t.truthy(project.scripts?.[script], `${key}: ${script}`);
  }
});

test('workflows grant only reading by default, have a time limit, and pin their actions', (t) => {
  for (const name of readdirSync(join(root, '.github/workflows'))) {
    const { permissions, jobs } = workflow(name);
    t.deepEqual(permissions, { contents: 'read' }, name);
    for (const [job, { uses, steps = [], 'timeout-minutes': minutes }] of Object.entries(jobs)) {
      if (uses === undefined) t.true((minutes ?? 0) > 0, `${name}: ${job} has no time limit`);
      for (const step of steps)
        if (step.uses !== undefined) t.regex(step.uses, /^[\w-]+\/[\w-]+@(?:v\d+|[0-9a-f]{40})$/, name);
    }
  }
});

test('issue forms have a name, a description and fields with unique ids', (t) => {
  const folder = '.github/ISSUE_TEMPLATE';
  for (const name of readdirSync(join(root, folder)).filter((file) => file !== 'config.yml')) {
    const form = parse(read(`${folder}/${name}`)) as {
      readonly name?: string;
      readonly description?: string;
      readonly body?: readonly {
        readonly type: string;
        readonly id?: string;
        readonly attributes?: object;
      }[];
    };
    t.truthy(form.name, name);
    t.truthy(form.description, name);
    const ids = (form.body ?? []).filter(({ type }) => type !== 'markdown').map(({ id }) => id);
    t.true(ids.length > 0 && ids.every((id) => id !== undefined) && new Set(ids).size === ids.length, name);
  }
  for (const file of ['PULL_REQUEST_TEMPLATE.md', 'CODEOWNERS', `ISSUE_TEMPLATE/config.yml`])
    t.true(existsSync(join(root, '.github', file)), file);
});
