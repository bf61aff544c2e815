import { isAbsolute } from 'node:path';
import { RuntimeError } from '@worker-runtime/core';

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

export interface ResolvedOptions {
  readonly command: readonly string[];
  readonly dataDir: string;
  readonly runtimeDir: string;
  readonly configDir: string | null;
  readonly readyMs: number;
  readonly acceptMs: number;
  readonly snapshotMs: number;
  readonly shutdownMs: number;
  readonly interruptMs: number;
}

const DURATIONS = {
  readyMs: 20_000,
  acceptMs: 10_000,
  snapshotMs: 2_000,
  shutdownMs: 60_000,
  interruptMs: 5_000,
} as const;

const KNOWN = ['command', 'dataDir', 'runtimeDir', 'configDir', ...Object.keys(DURATIONS)];

const refuse = (name: string, message: string): never => {
  throw new RuntimeError('INVALID_REQUEST', `The option legacy-pod.${name} ${message}`, {
    details: { option: name, known: KNOWN },
  });
};

const folderOf = (name: string, value: unknown): string =>
  typeof value === 'string' && isAbsolute(value)
    ? value.replace(/(?!^)\/+$/, '')
    : refuse(name, 'must be an absolute path');

const durationOf = (name: keyof typeof DURATIONS, value: unknown): number => {
  if (value === undefined) return DURATIONS[name];
  const number = typeof value === 'string' && /^[0-9]{1,9}$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 1 && number <= 3_600_000
    ? number
    : refuse(name, 'must be a whole number of milliseconds, up to an hour');
};

const commandOf = (value: unknown): readonly string[] => {
  const command = typeof value === 'string' ? [value] : value;
  return Array.isArray(command) &&
    command.length > 0 &&
    command.every((part) => typeof part === 'string' && part !== '')
    ? command
    : refuse('command', 'must name a program');
};

/** @throws INVALID_REQUEST an option that is missing, does not exist or does not fit */
export const resolveOptions = (options: Readonly<Record<string, unknown>>): ResolvedOptions => {
  const unknown = Object.keys(options).find((name) => !KNOWN.includes(name));
  if (unknown !== undefined) refuse(unknown, `does not exist; known are ${KNOWN.join(', ')}`);
  return {
    command: commandOf(options.command),
    dataDir: folderOf('dataDir', options.dataDir),
    runtimeDir: folderOf('runtimeDir', options.runtimeDir),
    configDir: options.configDir === undefined ? null : folderOf('configDir', options.configDir),
    readyMs: durationOf('readyMs', options.readyMs),
    acceptMs: durationOf('acceptMs', options.acceptMs),
    snapshotMs: durationOf('snapshotMs', options.snapshotMs),
    shutdownMs: durationOf('shutdownMs', options.shutdownMs),
    interruptMs: durationOf('interruptMs', options.interruptMs),
  };
};
