import { isAbsolute } from 'node:path';
import {
  directories,
  environmentFiles,
  list,
  type OptionReader,
  optional,
  readOptions,
  wholeNumber,
} from '@worker-runtime/core/plugin-kit';

export interface LegacyPodOptions {
  /** The program that has the command `pod`, or a list of the program and its first arguments. */
  readonly command: string | readonly string[];
  /** The pods' `YOI_DATA_DIR`, an absolute path. It has their metadata and session logs, and is never written. */
  readonly dataDir: string;
  /** The pods' `YOI_RUNTIME_DIR`, an absolute path. It has their sockets. Only this user may be able to write it. */
  readonly runtimeDir: string;
  /** The pods' `YOI_CONFIG_DIR`, an absolute path. By default the pods use their own default. */
  readonly configDir?: string;
  /**
   * The directories in which pods may work, absolute paths. A workspace, a claim or an adopted pod outside them is
   * refused, and `/proc`, `/sys` and `/dev` are never allowed. Without this option, no pod is started for a client, and
   * existing pods can be adopted where they are.
   */
  readonly roots?: readonly string[];
  /**
   * The names of environment variables that a pod gets, besides HOME, PATH and the like. Their values are redacted from
   * its output, except for short ones.
   */
  readonly env?: readonly string[];
  /**
   * Variables whose values are read from files when the pod starts: the path by the name of the variable. Prefer it to
   * `env` for keys, because every program of this user can read the environment of the runtime.
   */
  readonly envFiles?: Readonly<Record<string, string>>;
  /** The time that a pod may take to become ready, in milliseconds. Default 20,000. */
  readonly readyMs?: number;
  /** The time that an idle pod may take to begin a requested run, in milliseconds. Default 10,000. */
  readonly acceptMs?: number;
  /** The time that a pod may take to answer a connection, in milliseconds. Default 2,000. */
  readonly snapshotMs?: number;
  /** The time that a pod may take to finish its background jobs after `shutdown`, in milliseconds. Default 60,000. */
  readonly shutdownMs?: number;
  /** The time that a pod may take to exit after SIGINT, in milliseconds. Default 5,000. */
  readonly interruptMs?: number;
}

export type ResolvedOptions = Required<Omit<LegacyPodOptions, 'command' | 'configDir' | 'roots'>> & {
  readonly command: readonly string[];
  readonly configDir: string | null;
  readonly roots: readonly string[] | null;
};

const folder: OptionReader<string> = (value, refuse) =>
  typeof value === 'string' && isAbsolute(value)
    ? value.replace(/(?!^)\/+$/, '')
    : refuse('must be an absolute path');

const program: OptionReader<readonly string[]> = (value, refuse) => {
  const command = typeof value === 'string' ? [value] : value;
  return Array.isArray(command) &&
    command.length > 0 &&
    command.every((part) => typeof part === 'string' && part !== '')
    ? command
    : refuse('must be a program, or a list of a program and its arguments');
};

/** A number of milliseconds, up to one hour. */
const duration = wholeNumber(1, 3_600_000);

/** Reads the plugin's options. @throws INVALID_REQUEST an option is missing, unknown or invalid */
export const resolveOptions = (options: unknown): ResolvedOptions =>
  readOptions<ResolvedOptions>('legacy-pod', options, {
    command: program,
    dataDir: folder,
    runtimeDir: folder,
    configDir: optional(folder, null),
    roots: optional(directories, null),
    env: optional(list, []),
    envFiles: optional(environmentFiles, {}),
    readyMs: optional(duration, 20_000),
    acceptMs: optional(duration, 10_000),
    snapshotMs: optional(duration, 2_000),
    shutdownMs: optional(duration, 60_000),
    interruptMs: optional(duration, 5_000),
  });
