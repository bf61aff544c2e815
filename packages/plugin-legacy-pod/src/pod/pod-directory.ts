import { createHmac, randomBytes } from 'node:crypto';
import { RuntimeError } from '@worker-runtime/core';
import { PodRedactor } from '../log/pod-redactor.ts';
import { entriesOf, lossNotice, segmentLog } from '../log/segment-chain.ts';
import type { LogEntry } from '../records/log-entry.ts';
import { type PodMetadata, readMetadata } from '../records/metadata.ts';
import { type PodFiles, UnsafeFileError } from '../records/pod-files.ts';
import { isPodName } from '../records/pod-name.ts';
import { isObject, objectAt, parseObject, textOrNullAt } from '../records/record-fields.ts';
import { type RegistryRow, readRegistry } from '../records/registry.ts';
import { takeSnapshot } from '../wire/pod-connection.ts';
import type { PodStatus } from '../wire/pod-event.ts';
import { isAlive, PodProcess } from './pod-process.ts';

/**
 * - `live`: it runs and answers.
 * - `starting`: it runs and does not answer, yet or any more.
 * - `stopped`: it can be restored.
 * - `not-restorable`: too little is left of it.
 * - `corrupt`: its files are damaged, or not safe to read.
 */
export type PodState = 'live' | 'starting' | 'stopped' | 'not-restorable' | 'corrupt';

/** A pod as people may see it. */
export interface LegacyPod {
  /** What adopting it takes. Opaque, and void when this process ends. */
  readonly ref: string;
  readonly state: PodState;
  /** Of a live one. */
  readonly status: PodStatus | null;
  /** The Worker that holds it now. */
  readonly workerId: string | null;
  /** The pod that started it, where that is known. */
  readonly parent: string | null;
  readonly role: string | null;
  readonly model: string | null;
  /** The beginning of what was said to it last, to know it by. */
  readonly preview: string | null;
  readonly lastActiveAt: string | null;
  /** What is wrong with it. */
  readonly diagnostic: { readonly code: string; readonly message: string } | null;
}

/** What the list says of pods beyond this many is nothing: they are left out, the last by name first. */
const MOST_PODS = 2_000;
const AT_ONCE = 8;
const PREVIEW_CHARS = 120;

type Finding = Pick<LegacyPod, 'state' | 'diagnostic'> & {
  readonly status?: PodStatus;
  readonly model?: string | null;
  readonly entries?: readonly LogEntry[];
};

const flaw = (state: PodState, code: string, message: string): Finding => ({
  state,
  diagnostic: { code, message },
});

/** Finds pods in what they left on disk, and names them for people. Only reads. */
export class PodDirectory {
  readonly #files: PodFiles;
  readonly #snapshotMs: number;
  readonly #privatePlaces: readonly string[];
  readonly #key = randomBytes(32);

  constructor(files: PodFiles, snapshotMs: number, privatePlaces: readonly string[]) {
    this.#files = files;
    this.#snapshotMs = snapshotMs;
    this.#privatePlaces = privatePlaces;
  }

  /** The same for the same pod while this process lives; says nothing of its name. */
  refOf(name: string): string {
    return `pod_${createHmac('sha256', this.#key).update(name).digest('hex').slice(0, 32)}`;
  }

  /** The name behind a reference. Null where there is no such pod now. */
  async nameOf(ref: string): Promise<string | null> {
    for (const name of await this.#names(await this.rows())) if (this.refOf(name) === ref) return name;
    return null;
  }

  /** The pods that run, as they know of each other. A table that cannot be read has no rows. */
  async rows(): Promise<readonly RegistryRow[]> {
    await this.#files.assertRuntimeDir();
    return (await readRegistry(this.#files)) ?? [];
  }

  /** The rows whose process lives: what they may write is taken. @throws ENGINE_UNAVAILABLE nobody can tell now */
  async liveRows(): Promise<readonly RegistryRow[]> {
    await this.#files.assertRuntimeDir();
    const rows = await readRegistry(this.#files);
    if (rows === null)
      throw new RuntimeError('ENGINE_UNAVAILABLE', 'What running pods write cannot be read now');
    return rows.filter(({ pid }) => isAlive(pid));
  }

  /** A redactor that knows every pod there is, and what is private of this one. */
  async redactorFor(name: string | null, workspaces: readonly string[] = []): Promise<PodRedactor> {
    const redactor = new PodRedactor();
    const rows = await this.rows().catch(() => []);
    redactor.addPlaces(this.#privatePlaces);
    redactor.addWords(await this.#names(rows));
    redactor.addWords(rows.map(({ segment }) => segment));
    redactor.addWorkspaces(workspaces);
    const metadata = name === null ? null : await readMetadata(this.#files, name).catch(() => null);
    if (metadata !== null && metadata !== 'corrupt') {
      redactor.addWorkspaces([metadata.workspace]);
      redactor.addWords([metadata.session, metadata.segment, ...metadata.children, ...metadata.peers]);
    }
    return redactor;
  }

  /** What people gave the pods to do. */
  async roles(): Promise<ReadonlyMap<string, string>> {
    const roles = new Map<string, string>();
    for (const bytes of await this.#files.roleRecords()) {
      const sessions = objectAt(parseObject(bytes.toString('utf8')) ?? {}, 'sessions') ?? {};
      for (const [name, session] of Object.entries(sessions)) {
        const role = isObject(session) ? textOrNullAt(session, 'role') : null;
        if (role !== null) roles.set(name, role);
      }
    }
    return roles;
  }

  /** All pods, each in one state. @throws CONFIG_UNSUPPORTED the runtime directory is not safe */
  async list(ownerOf: (name: string) => string | null): Promise<readonly LegacyPod[]> {
    const rows = await this.rows();
    const names = [...(await this.#names(rows))].sort().slice(0, MOST_PODS);
    const [roles, redactor] = await Promise.all([this.roles(), this.redactorFor(null)]);
    const found: LegacyPod[] = new Array(names.length);
    const queue = names.entries();
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (const [at, name] of queue)
          found[at] = await this.#describe(name, rows, roles, redactor, ownerOf(name));
      }),
    );
    return found;
  }

  async #describe(
    name: string,
    rows: readonly RegistryRow[],
    roles: ReadonlyMap<string, string>,
    redactor: PodRedactor,
    workerId: string | null,
  ): Promise<LegacyPod> {
    const metadata = await readMetadata(this.#files, name).catch((error: unknown) => {
      if (error instanceof UnsafeFileError) return 'unsafe' as const;
      throw error;
    });
    if (metadata !== null && typeof metadata === 'object') {
      redactor.addWorkspaces([metadata.workspace]);
      redactor.addWords([metadata.session, metadata.segment, ...metadata.children, ...metadata.peers]);
    }
    const finding = await this.#examine(name, metadata, rows);
    const entries = finding.entries ?? [];
    const last = entries.findLast((entry) => entry.kind === 'user_input');
    const preview = last?.kind === 'user_input' ? redactor.text(last.text).slice(0, PREVIEW_CHARS) : null;
    const ts = entries.at(-1)?.ts ?? 0;
    const parent = rows.find((row) => row.name === name)?.delegatedFrom ?? null;
    const model =
      finding.model ?? (metadata !== null && typeof metadata === 'object' ? metadata.model : null);
    return {
      ref: this.refOf(name),
      state: finding.state,
      status: finding.status ?? null,
      workerId,
      parent: parent === null ? null : this.refOf(parent),
      role: roles.get(name) ?? null,
      model: model === null ? null : redactor.text(model),
      preview,
      lastActiveAt: ts > 0 && ts < 8e15 ? new Date(ts).toISOString() : null,
      diagnostic: finding.diagnostic,
    };
  }

  async #examine(
    name: string,
    metadata: PodMetadata | 'corrupt' | 'unsafe' | null,
    rows: readonly RegistryRow[],
  ): Promise<Finding> {
    try {
      const path = await this.#files.socket(name);
      if (path !== null) {
        const snapshot = await takeSnapshot(path, name, this.#snapshotMs).catch(() => null);
        if (snapshot) {
          const { status, model } = snapshot;
          return { state: 'live', diagnostic: null, status, model, entries: entriesOf(snapshot.entries) };
        }
      }
    } catch (error) {
      if (!(error instanceof UnsafeFileError)) throw error;
      return flaw('corrupt', 'POD_SOCKET_UNSAFE', 'Its socket is a link, or others can write where it is');
    }
    const row = rows.find((one) => one.name === name);
    const isReserved = row !== undefined && row.segment === null && isAlive(row.pid);
    if (isReserved || (await PodProcess.find(this.#files, name)) !== null)
      return flaw('starting', 'POD_NOT_ANSWERING', 'Its process runs and does not answer');
    if (metadata === 'unsafe')
      return flaw('corrupt', 'POD_METADATA_UNSAFE', 'Its metadata is a link, or others can write it');
    if (metadata === 'corrupt') return flaw('corrupt', 'POD_METADATA_CORRUPT', 'Its metadata cannot be read');
    if (metadata === null) return flaw('not-restorable', 'POD_METADATA_MISSING', 'It has no metadata');
    return this.#examineLog(metadata);
  }

  async #examineLog({ session, segment }: PodMetadata): Promise<Finding> {
    if (session === null) return flaw('not-restorable', 'POD_NO_SESSION', 'It has no conversation');
    if (segment === null) return flaw('not-restorable', 'POD_NEVER_RAN', 'It never ran');
    let bytes: Buffer | null;
    try {
      bytes = await this.#files.segment(session, segment);
    } catch (error) {
      if (!(error instanceof UnsafeFileError)) throw error;
      return flaw(
        'corrupt',
        'POD_LOG_UNSAFE',
        'Its session log is a link, is too large, or others can write it',
      );
    }
    if (bytes === null) return flaw('not-restorable', 'POD_LOG_MISSING', 'Its session log is not there');
    const { entries, losses } = segmentLog(bytes);
    const [loss] = losses;
    if (loss) {
      const { message } = lossNotice(loss) as { readonly message: string };
      return { ...flaw('corrupt', 'POD_LOG_CORRUPT', message), entries };
    }
    if (entries[0]?.kind !== 'segment_start')
      return { ...flaw('corrupt', 'POD_LOG_CORRUPT', 'Its session log does not begin as one'), entries };
    return { state: 'stopped', diagnostic: null, entries };
  }

  async #names(rows: readonly RegistryRow[]): Promise<ReadonlySet<string>> {
    const names = new Set(await this.#files.names());
    for (const { name } of rows) if (isPodName(name)) names.add(name);
    return names;
  }
}
