import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

export type Json = { [key: string]: unknown };

export interface Rule {
  readonly target: string;
  readonly permission: 'read' | 'write';
  readonly recursive: boolean;
}

export interface Row {
  readonly pod_name: string;
  readonly pid: number;
  readonly socket: string;
  readonly scope_allow: readonly Rule[];
  readonly scope_deny: readonly Rule[];
  readonly delegated_from: string | null;
  readonly segment_id: string | null;
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

const within = (a: string, b: string): boolean => a === b || a.startsWith(`${b}/`);

/** Writes the files of one pod as the old program does: in place and in pieces. */
export class Disk {
  readonly data: string;
  readonly runtime: string;
  readonly name: string;

  constructor(data: string, runtime: string, name: string) {
    this.data = data;
    this.runtime = runtime;
    this.name = name;
  }

  get dir(): string {
    return join(this.runtime, this.name);
  }

  get socket(): string {
    return join(this.dir, 'sock');
  }

  readMetadata(): Json | null {
    return this.readMetadataOf(this.name);
  }

  readMetadataOf(name: string): Json | null {
    const path = join(this.data, 'pods', name, 'metadata.json');
    return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Json) : null;
  }

  writeMetadata(metadata: Json): void {
    const path = join(this.data, 'pods', this.name, 'metadata.json');
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, JSON.stringify(metadata, null, 2));
  }

  logPath(session: string, segment: string): string {
    return join(this.data, 'sessions', session, `${segment}.jsonl`);
  }

  /** Returns the session that has a segment, or null. */
  sessionOf(segment: string): string | null {
    const sessions = join(this.data, 'sessions');
    if (!existsSync(sessions)) return null;
    return readdirSync(sessions).find((session) => existsSync(this.logPath(session, segment))) ?? null;
  }

  append(path: string, record: unknown): void {
    mkdirSync(dirname(path), { recursive: true });
    appendFileSync(path, JSON.stringify(record));
    appendFileSync(path, '\n');
  }

  rewrite(path: string, records: readonly unknown[]): void {
    writeFileSync(path, records.map((record) => `${JSON.stringify(record)}\n`).join(''));
  }

  /** Adds a row to the registry. @throws an Error with the text that the old program writes to standard error */
  register(row: Row): void {
    this.#locked((rows) => {
      const live = rows.filter(({ pid }) => isAlive(pid));
      const announced = live.find((one) => one.pod_name === row.pod_name && one.segment_id === null);
      if (live.some((one) => one.pod_name === row.pod_name) && !announced)
        throw new Error(`pod name \`${row.pod_name}\` is already registered`);
      const held = live.find((one) => one.segment_id !== null && one.segment_id === row.segment_id);
      if (held)
        throw new Error(
          `session ${row.segment_id} is already held by pod \`${held.pod_name}\` at ${held.socket}`,
        );
      if (row.delegated_from === null) {
        for (const rule of row.scope_allow.filter(({ permission }) => permission === 'write'))
          for (const other of live)
            for (const one of other.scope_allow)
              if (
                one.permission === 'write' &&
                (within(one.target, rule.target) || within(rule.target, one.target))
              )
                throw new Error(
                  `requested scope \`${rule.target}\` conflicts with pod \`${other.pod_name}\` rule \`${one.target}\``,
                );
      }
      return [...live.filter((one) => one !== announced), row];
    });
  }

  setSegment(segment: string): void {
    this.#locked((rows) =>
      rows.map((row) => (row.pod_name === this.name ? { ...row, segment_id: segment } : row)),
    );
  }

  writeRuntimeDir(segment: string): void {
    mkdirSync(join(this.dir, 'bash-output'), { recursive: true });
    writeFileSync(join(this.dir, 'pid'), String(process.pid));
    writeFileSync(join(this.dir, 'spawned_pods.json'), '[]');
    writeFileSync(join(this.dir, 'manifest.toml'), `[pod]\nname = "${this.name}"\n`);
    this.writeStatus(segment, 'idle');
    rmSync(this.socket, { force: true });
  }

  writeStatus(segment: string, state: string): void {
    if (!existsSync(this.dir)) return;
    writeFileSync(
      join(this.dir, 'status.tmp'),
      JSON.stringify({ pod_name: this.name, segment_id: segment, state }),
    );
    renameSync(join(this.dir, 'status.tmp'), join(this.dir, 'status.json'));
  }

  /** Removes the registry row and the runtime directory, as at an orderly end. */
  release(): void {
    this.#locked((rows) => rows.filter((row) => row.pod_name !== this.name));
    rmSync(this.dir, { recursive: true, force: true });
  }

  #locked(change: (rows: readonly Row[]) => readonly Row[]): void {
    mkdirSync(this.runtime, { recursive: true, mode: 0o700 });
    const path = join(this.runtime, 'pods.json');
    const lock = `${path}.lock`;
    for (let attempt = 0; ; attempt += 1) {
      try {
        mkdirSync(lock);
        break;
      } catch (error) {
        if (attempt > 2_000) throw error;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
      }
    }
    try {
      const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
      const rows = text === '' ? [] : (JSON.parse(text) as { allocations: Row[] }).allocations;
      writeFileSync(path, JSON.stringify({ allocations: change(rows) }, null, 2), { mode: 0o600 });
    } finally {
      rmdirSync(lock);
    }
  }
}
