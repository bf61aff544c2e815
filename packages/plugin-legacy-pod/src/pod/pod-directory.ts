import { createHmac, randomBytes } from 'node:crypto';
import { RuntimeError } from '@worker-runtime/core';
import { type ChildVariables, childEnvironment } from '@worker-runtime/core/plugin-kit';
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
 * The state of a pod in the list.
 * - `live`: the pod runs and answers.
 * - `starting`: the pod runs and does not answer: it is starting, or it hangs.
 * - `stopped`: the pod can be restored.
 * - `not-restorable`: the pod has no conversation that could be restored.
 * - `corrupt`: the pod's files are damaged, or not safe to read.
 */
export type PodState = 'live' | 'starting' | 'stopped' | 'not-restorable' | 'corrupt';

/** The public view of a pod. */
export interface LegacyPod {
  /** The reference for adopting the pod. Opaque. Valid until this process ends. */
  readonly ref: string;
  readonly state: PodState;
  /** The status of a live pod; otherwise null. */
  readonly status: PodStatus | null;
  /** The Worker that holds the pod now. */
  readonly workerId: string | null;
  /** The reference of the pod that started this one, if it is known. */
  readonly parent: string | null;
  readonly role: string | null;
  readonly model: string | null;
  /** The first 120 characters of the last input, to recognize the pod by. */
  readonly preview: string | null;
  readonly lastActiveAt: string | null;
  /** The reason for a state other than `live` and `stopped`. */
  readonly diagnostic: { readonly code: string; readonly message: string } | null;
}

/** The list has at most this many pods, the first by name. */
const MAX_PODS = 2_000;
const MAX_CONCURRENT = 8;
const PREVIEW_CHARS = 120;

type Finding = Pick<LegacyPod, 'state' | 'diagnostic'> & {
  readonly status?: PodStatus;
  readonly model?: string | null;
  readonly entries?: readonly LogEntry[];
};

const problem = (state: PodState, code: string, message: string): Finding => ({
  state,
  diagnostic: { code, message },
});

/** Finds pods by their files and gives them public references. Never writes a file. */
export class PodDirectory {
  readonly #files: PodFiles;
  readonly #snapshotMs: number;
  readonly #privatePaths: readonly string[];
  readonly #variables: ChildVariables;
  readonly #key = randomBytes(32);

  constructor(
    files: PodFiles,
    snapshotMs: number,
    privatePaths: readonly string[],
    variables: ChildVariables = { env: [], envFiles: {} },
  ) {
    this.#files = files;
    this.#snapshotMs = snapshotMs;
    this.#privatePaths = privatePaths;
    this.#variables = variables;
  }

  /** Returns the public reference of a pod. It stays the same until this process ends and does not reveal the name. */
  refOf(name: string): string {
    return `pod_${createHmac('sha256', this.#key).update(name).digest('hex').slice(0, 32)}`;
  }

  /** Returns the name of the pod with this reference, or null if there is no such pod now. */
  async nameOf(ref: string): Promise<string | null> {
    for (const name of await this.#names(await this.rows())) if (this.refOf(name) === ref) return name;
    return null;
  }

  /** Returns the rows of the registry. An unreadable registry counts as empty. */
  async rows(): Promise<readonly RegistryRow[]> {
    await this.#files.assertRuntimeDir();
    return (await readRegistry(this.#files)) ?? [];
  }

  /** Returns the rows whose process is alive. @throws ENGINE_UNAVAILABLE the registry is unreadable */
  async liveRows(): Promise<readonly RegistryRow[]> {
    await this.#files.assertRuntimeDir();
    const rows = await readRegistry(this.#files);
    if (rows === null)
      throw new RuntimeError('ENGINE_UNAVAILABLE', 'The registry of the running pods cannot be read now');
    return rows.filter(({ pid }) => isAlive(pid));
  }

  /** Returns a redactor that knows the names of all pods, and the private facts of the pod `name`. */
  async redactorFor(name: string | null, workspaces: readonly string[] = []): Promise<PodRedactor> {
    const redactor = new PodRedactor();
    const rows = await this.rows().catch(() => []);
    // Without its file, a secret is not known, and no new pod gets it.
    const environment = await childEnvironment(this.#variables).catch(() => null);
    redactor.addSecrets(environment?.secrets ?? []);
    redactor.addPaths(this.#privatePaths);
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

  /** Returns the recorded roles by pod name. */
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

  /** Lists the pods, sorted by name. @throws CONFIG_UNSUPPORTED the runtime directory is not safe */
  async list(ownerOf: (name: string) => string | null): Promise<readonly LegacyPod[]> {
    const rows = await this.rows();
    const names = [...(await this.#names(rows))].sort().slice(0, MAX_PODS);
    const [roles, redactor] = await Promise.all([this.roles(), this.redactorFor(null)]);
    const found: LegacyPod[] = new Array(names.length);
    const queue = names.entries();
    await Promise.all(
      Array.from({ length: MAX_CONCURRENT }, async () => {
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
      return problem(
        'corrupt',
        'POD_SOCKET_UNSAFE',
        'The socket is not a socket of this user, or other users can write its directory',
      );
    }
    const row = rows.find((one) => one.name === name);
    const isReserved = row !== undefined && row.segment === null && isAlive(row.pid);
    if (isReserved || (await PodProcess.find(this.#files, name)) !== null)
      return problem('starting', 'POD_NOT_ANSWERING', 'The process of the pod runs but does not answer');
    if (metadata === 'unsafe')
      return problem(
        'corrupt',
        'POD_METADATA_UNSAFE',
        'The metadata is a link, is too large, belongs to another user, or other users can write it',
      );
    if (metadata === 'corrupt') return problem('corrupt', 'POD_METADATA_CORRUPT', 'The metadata is damaged');
    if (metadata === null)
      return problem('not-restorable', 'POD_METADATA_MISSING', 'The pod has no metadata');
    return this.#examineLog(metadata);
  }

  async #examineLog({ session, segment }: PodMetadata): Promise<Finding> {
    if (session === null) return problem('not-restorable', 'POD_NO_SESSION', 'The pod has no conversation');
    if (segment === null) return problem('not-restorable', 'POD_NEVER_RAN', 'The pod never ran');
    let bytes: Buffer | null;
    try {
      bytes = await this.#files.segment(session, segment);
    } catch (error) {
      if (!(error instanceof UnsafeFileError)) throw error;
      return problem(
        'corrupt',
        'POD_LOG_UNSAFE',
        'The session log is a link, is too large, belongs to another user, or other users can write it',
      );
    }
    if (bytes === null) return problem('not-restorable', 'POD_LOG_MISSING', 'The session log does not exist');
    const { entries, losses } = segmentLog(bytes);
    const [loss] = losses;
    if (loss) return { ...problem('corrupt', 'POD_LOG_CORRUPT', lossNotice(loss).message), entries };
    if (entries[0]?.kind !== 'segment_start')
      return {
        ...problem('corrupt', 'POD_LOG_CORRUPT', 'The session log does not begin with a segment start'),
        entries,
      };
    return { state: 'stopped', diagnostic: null, entries };
  }

  async #names(rows: readonly RegistryRow[]): Promise<ReadonlySet<string>> {
    const names = new Set(await this.#files.names());
    for (const { name } of rows) if (isPodName(name)) names.add(name);
    return names;
  }
}
