/** The files of `deploy/`, each read by the program that uses it where that program is installed. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { parseAllDocuments } from 'yaml';
import { read, root } from './repository.ts';

/** Runs a program. Returns null, and logs it, if the program is not installed. */
const tried = (t: ExecutionContext, program: string, ...args: readonly string[]) => {
  const { error, status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', cwd: root });
  if (error === undefined) return { status, output: stdout + stderr };
  t.log(`skipped: ${program} is not installed`);
  t.pass();
  return null;
};

const folderOf = (t: ExecutionContext): string => {
  const folder = mkdtempSync(join(tmpdir(), 'deploy-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return folder;
};

test('docs/operating.md names each file of deploy', (t) => {
  const page = read('docs/operating.md');
  for (const name of readdirSync(join(root, 'deploy'))) t.true(page.includes(`(../deploy/${name})`), name);
});

test('systemd accepts the unit, and rates it as hardened', (t) => {
  const unit = join(folderOf(t), 'worker-runtime.service');
  // the unit names programs that are not installed here
  writeFileSync(
    unit,
    read('deploy/worker-runtime.service').replace('/usr/local/bin/worker-runtime', '/bin/true'),
  );
  const verified = tried(t, 'systemd-analyze', 'verify', unit);
  if (verified === null) return;
  t.deepEqual([verified.status, verified.output.trim()], [0, '']);
  const rated = tried(t, 'systemd-analyze', 'security', '--offline=true', '--threshold=25', unit);
  t.is(rated?.status, 0, rated?.output);
});

test('the unit reloads with SIGHUP, and waits longer for a stop than a stop takes', (t) => {
  const unit = read('deploy/worker-runtime.service');
  t.regex(unit, /^ExecReload=\/bin\/kill -HUP \$MAINPID$/m);
  t.regex(unit, /^KillMode=mixed$/m);
  t.true(Number(/^TimeoutStopSec=(\d+)s$/m.exec(unit)?.[1]) > 10);
});

interface Manifest {
  readonly kind: string;
  readonly spec: ReturnType<typeof JSON.parse>;
}

test('the Kubernetes manifests are one stateful process with probes, a volume and a grace for its stop', (t) => {
  const documents = parseAllDocuments(read('deploy/kubernetes.yaml'));
  t.deepEqual(
    documents.flatMap(({ errors, warnings }) => [...errors, ...warnings]),
    [],
  );
  const manifests = documents.map((document) => document.toJS() as Manifest);
  t.deepEqual(
    manifests.map(({ kind }) => kind),
    ['Service', 'StatefulSet'],
  );
  const [service, { spec } = t.fail() as never] = manifests;
  const pod = spec.template.spec;
  const [container] = pod.containers;
  t.is(spec.replicas, 1);
  t.true(pod.terminationGracePeriodSeconds > 10);
  t.deepEqual(service?.spec.selector, spec.template.metadata.labels);
  t.deepEqual(spec.selector.matchLabels, spec.template.metadata.labels);
  t.deepEqual(
    ['startupProbe', 'livenessProbe', 'readinessProbe'].map((name) => container[name].httpGet.path),
    ['/livez', '/livez', '/readyz'],
  );
  t.like(container.securityContext, { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false });
  t.true(pod.securityContext.runAsNonRoot);
  const volumes: readonly string[] = [
    ...pod.volumes.map(({ name }: { name: string }) => name),
    spec.volumeClaimTemplates[0].metadata.name,
  ];
  const mounts: readonly { readonly name: string; readonly mountPath: string }[] = container.volumeMounts;
  t.deepEqual(mounts.map(({ name }) => name).toSorted(), volumes.toSorted());
  // the paths are those of the image
  const image = read('deploy/Containerfile');
  for (const { mountPath } of mounts.filter(({ name }) => name !== 'tmp'))
    t.true(image.includes(`${mountPath}`), mountPath);
  t.is(pod.volumes[0].secret.defaultMode, 0o440);
});

test('the image has no root user, a first process that reaps, a health check, and no part of the build', (t) => {
  const image = read('deploy/Containerfile');
  const [, final = ''] = image.split(/^FROM .*$/m).slice(1);
  t.regex(final, /^USER node$/m);
  t.regex(final, /^ENTRYPOINT \["\/usr\/bin\/tini", "--",/m);
  t.regex(final, /^HEALTHCHECK /m);
  t.deepEqual(final.match(/^COPY .*$/gm), ['COPY --from=build /app /app']);
  for (const [tag] of image.matchAll(/(?<=^FROM )\S+/gm)) t.regex(tag, /^node:\d+-\w+-slim$/);
});

test('Caddy accepts its file', (t) => {
  const caddy = tried(t, 'caddy', 'adapt', '--adapter', 'caddyfile', '--config', 'deploy/Caddyfile');
  if (caddy !== null) t.is(caddy.status, 0, caddy.output);
});

test('promtool accepts the alerts, and each fires for its case only', (t) => {
  for (const args of [
    ['check', 'rules', 'deploy/prometheus-rules.yaml'],
    ['test', 'rules', '.ci/alerts.yaml'],
  ]) {
    const promtool = tried(t, 'promtool', ...args);
    if (promtool !== null) t.is(promtool.status, 0, promtool.output);
  }
});

test('each alert has a test', (t) => {
  const [rules, tests] = [read('deploy/prometheus-rules.yaml'), read('.ci/alerts.yaml')];
  for (const [, alert = ''] of rules.matchAll(/- alert: (\w+)/g))
    t.regex(tests, new RegExp(`alertname: ${alert}\\n +exp_alerts`), alert);
});
