import { isAbsolute } from 'node:path';
import { type OptionReader, optional, readOptions, wholeNumber } from '@worker-runtime/core';

export interface LegacyPodOptions {
  /** The program that `pod` is a command of, or its first arguments too. */
  readonly command: string | readonly string[];
  /** Where its metadata and session logs are: its `YOI_DATA_DIR`. Read, and never written. */
  readonly dataDir: string;
  /** Where its sockets are: its `YOI_RUNTIME_DIR`. Only this user may write it. */
  readonly runtimeDir: string;
  /** Its `YOI_CONFIG_DIR`, where it is not the usual one. */
  readonly configDir?: string;
  /** How long a pod may take to be ready. Default 20 s. */
  readonly readyMs?: number;
  /** How long an idle pod may take to begin what it is asked. Default 10 s. */
  readonly acceptMs?: number;
  /** How long a pod may take to answer a connection. Default 2 s. */
  readonly snapshotMs?: number;
  /** How long a pod may finish its background jobs when it is stopped, before SIGINT. Default 60 s. */
  readonly shutdownMs?: number;
  /** How long it may take after SIGINT, before SIGKILL. Default 5 s. */
  readonly interruptMs?: number;
}

export type ResolvedOptions = Required<Omit<LegacyPodOptions, 'command' | 'configDir'>> & {
  readonly command: readonly string[];
  readonly configDir: string | null;
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
    : refuse('must name a program');
};

/** Milliseconds, up to an hour. */
const duration = wholeNumber(1, 3_600_000);

/** @throws INVALID_REQUEST an option that is missing, does not exist or does not fit */
export const resolveOptions = (options: unknown): ResolvedOptions =>
  readOptions<ResolvedOptions>('legacy-pod', options, {
    command: program,
    dataDir: folder,
    runtimeDir: folder,
    configDir: optional(folder, null),
    readyMs: optional(duration, 20_000),
    acceptMs: optional(duration, 10_000),
    snapshotMs: optional(duration, 2_000),
    shutdownMs: optional(duration, 60_000),
    interruptMs: optional(duration, 5_000),
  });
