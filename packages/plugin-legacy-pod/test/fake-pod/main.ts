import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { Disk, type Json, type Rule } from './disk.ts';
import { FakePod } from './pod.ts';
import type { FakeScript } from './script.ts';

/*
 * A stand-in for the old program: `fake-pod --fake <script> pod --workspace … --pod …`. It imports nothing from the
 * adapter, and follows the description of the old program, in the same order.
 */

const VALUES = new Set([
  '--workspace',
  '--pod',
  '--profile',
  '--ticket-role',
  '--session',
  '--delegated-from',
]);
const FLAGS = new Set(['--require-pod-state']);
const ROLES = new Set(['intake', 'orchestrator', 'coder', 'reviewer']);

const fail = (line: string, code: number): never => {
  process.stderr.write(`${line}\n`);
  process.exit(code);
};

const readArguments = (given: readonly string[]): ReadonlyMap<string, string> => {
  const found = new Map<string, string>();
  for (let at = 0; at < given.length; at += 1) {
    const name = given[at] as string;
    if (FLAGS.has(name)) found.set(name, '');
    else if (VALUES.has(name)) found.set(name, given[++at] ?? '');
    else fail(`error: unexpected argument '${name}' found`, 2);
  }
  return found;
};

const scopeOf = (workspace: string, role: string | undefined): readonly Rule[] => [
  {
    target: workspace,
    permission: role === undefined || role === 'coder' ? 'write' : 'read',
    recursive: true,
  },
];

const command = process.argv.indexOf('pod');
const scriptPath = process.argv[process.argv.indexOf('--fake') + 1] as string;
const script = JSON.parse(readFileSync(scriptPath, 'utf8')) as FakeScript;
const switches = script.switches ?? {};
const given = readArguments(process.argv.slice(command + 1));
const name = given.get('--pod') ?? 'workspace';
const workspace = given.get('--workspace') ?? process.cwd();
const role = given.get('--ticket-role');
const data = process.env.YOI_DATA_DIR ?? '';
const runtime = process.env.YOI_RUNTIME_DIR ?? '';
if (role !== undefined && !ROLES.has(role)) fail(`error: invalid ticket role \`${role}\``, 1);
if (switches.exitBeforeReady !== undefined) fail(switches.exitBeforeReady, 1);

const disk = new Disk(data, runtime, name);
const metadata = disk.readMetadata();
if (!metadata && given.has('--require-pod-state')) fail(`error: pod state missing for ${name}`, 1);
const restored = given.get('--session');
if (restored !== undefined && given.has('--profile'))
  fail("error: the argument '--session' cannot be used with '--profile'", 2);
const holder = restored === undefined ? null : disk.sessionOf(restored);
if (restored !== undefined && holder === null)
  fail(`error: failed to restore pod: segment not found: ${restored}`, 1);
const pointer = restored === undefined ? metadata?.active : { session_id: holder, segment_id: restored };
const active = (pointer ?? null) as { session_id: string; segment_id?: string } | null;
const doing = metadata ? `failed to restore pod ${name}` : `failed to create pod ${name}`;
if (metadata && !active) fail(`error: ${doing}: pod metadata for ${name} has no active session`, 1);
if (active && active.segment_id === undefined)
  fail(
    `error: ${doing}: pod metadata for ${name} points to session ${active.session_id} but no segment is materialized yet`,
    1,
  );
const session = active?.session_id ?? randomUUID();
const segment = active?.segment_id ?? null;
let entries: Json[] = [];
if (segment !== null) {
  let text = '';
  try {
    text = readFileSync(disk.logPath(session, segment), 'utf8');
  } catch {
    fail(`error: ${doing}: segment not found: ${segment}`, 1);
  }
  if (text.includes('\uFFFD')) fail(`error: ${doing}: I/O error: stream did not contain valid UTF-8`, 1);
  entries = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line, at) => {
      try {
        return JSON.parse(line) as Json;
      } catch {
        return fail(`error: ${doing}: log corrupted at line ${at + 1}: expected value at line 1 column 1`, 1);
      }
    });
}
try {
  disk.register({
    pod_name: name,
    pid: process.pid,
    socket: disk.socket,
    scope_allow: scopeOf(workspace, role),
    scope_deny: [],
    delegated_from: given.get('--delegated-from') ?? null,
    segment_id: segment ?? randomUUID(),
  });
} catch (error) {
  fail(`error: ${doing}: ${(error as Error).message}`, 1);
}
if (!metadata || restored !== undefined)
  disk.writeMetadata({
    pod_name: name,
    active: active ?? { session_id: session },
    workspace_root: workspace,
  });

disk.writeRuntimeDir(segment ?? session);
const pod = new FakePod({ disk, script, scriptPath, session, segment, entries, workspace });
const server = createServer((socket) => pod.connect(socket));
const end = (reason: string): void => {
  process.stderr.write(`pod: ${name} shutting down (${reason})\n`);
  disk.release();
  process.exit(0);
};
pod.onShutdown = () => end('client request');
process.on('SIGINT', () => {
  if (!switches.ignoresEverything) end('signal');
});
const ready = (): void => {
  process.stderr.write(
    `YOI-READY\t${name}\t${disk.socket}\npod: ${name} listening on ${JSON.stringify(disk.socket)}\n`,
  );
  if (switches.crashAfterReady) process.exit(101);
};
if (switches.neverReady) setInterval(() => {}, 60_000);
else if (switches.readyWithoutSocket) {
  ready();
  setInterval(() => {}, 60_000);
} else server.listen(disk.socket, ready).on('error', () => fail('error: failed to start pod controller', 1));
