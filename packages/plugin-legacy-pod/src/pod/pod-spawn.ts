import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { RuntimeError } from '@worker-runtime/core';
import { type ChildVariables, childEnvironment } from '@worker-runtime/core/plugin-kit';
import type { PodFiles } from '../records/pod-files.ts';
import { PodProcess } from './pod-process.ts';
import { startupError } from './startup-error.ts';

export interface Launch {
  readonly name: string;
  readonly workspace: string;
  readonly cwd: string;
  readonly profile: string | null;
  readonly role: string | null;
  /** True if the pod must already exist. Otherwise a pod that lost its metadata would silently start empty. */
  readonly isRestore: boolean;
}

export interface LaunchOptions extends ChildVariables {
  readonly command: readonly string[];
  readonly configDir: string | null;
  readonly readyMs: number;
}

const POLL_MS = 20;
const READY = 'YOI-READY\t';
/** The variables that say where the old program finds its files. */
const LOCATIONS = [
  'XDG_CACHE_HOME',
  'XDG_CONFIG_HOME',
  'XDG_DATA_HOME',
  'XDG_RUNTIME_DIR',
  'XDG_STATE_HOME',
  'YOI_CONFIG_DIR',
  'YOI_HOME',
];

const argumentsOf = ({ name, workspace, profile, role, isRestore }: Launch): readonly string[] => [
  'pod',
  '--workspace',
  workspace,
  '--pod',
  name,
  ...(isRestore ? ['--require-pod-state'] : []),
  ...(profile !== null && !isRestore ? ['--profile', profile] : []),
  ...(role === null ? [] : ['--ticket-role', role]),
];

const environmentFor = async (
  files: PodFiles,
  { configDir, env, envFiles }: LaunchOptions,
): Promise<NodeJS.ProcessEnv> => ({
  ...(await childEnvironment({ env: [...LOCATIONS, ...env], envFiles })).variables,
  YOI_DATA_DIR: files.dataDir,
  YOI_RUNTIME_DIR: files.runtimeDir,
  ...(configDir !== null && { YOI_CONFIG_DIR: configDir }),
});

/**
 * Starts a pod and waits until it is ready. Its standard error goes to a temporary file. A pipe would end the pod
 * together with this process, and the file that the old clients used may belong to a running pod of the same name.
 * @throws RuntimeError the error that the pod reported, or ENGINE_UNAVAILABLE. No process of the pod is left then
 */
export const launchPod = async (
  files: PodFiles,
  launch: Launch,
  options: LaunchOptions,
  signal: AbortSignal,
): Promise<PodProcess> => {
  const { command, readyMs } = options;
  const env = await environmentFor(files, options);
  await files.prepareRuntimeDir();
  const folder = await mkdtemp(join(tmpdir(), 'legacy-pod-'));
  const path = join(folder, 'stderr');
  try {
    const errors = await open(
      path,
      constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_APPEND,
      0o600,
    );
    let end: { readonly code: number | null; readonly cause?: unknown } | null = null;
    const [program = '', ...leading] = command;
    const child = spawn(program, [...leading, ...argumentsOf(launch)], {
      cwd: launch.cwd,
      detached: true,
      stdio: ['ignore', 'ignore', errors.fd],
      env,
    });
    child.once('error', (cause) => {
      end = { code: null, cause };
    });
    child.once('exit', (code) => {
      end ??= { code };
    });
    // The pod keeps running when this runtime ends.
    child.unref();
    await errors.close();
    const until = performance.now() + readyMs;
    const errorLines = async (): Promise<readonly string[]> =>
      (await readFile(path, 'utf8')).split('\n').slice(0, -1);
    for (;;) {
      const ended = end as { readonly code: number | null; readonly cause?: unknown } | null;
      const lines = await errorLines();
      if (ended)
        throw startupError(
          lines.filter((line) => !line.startsWith(READY)),
          ended.code,
          ended.cause,
        );
      const isReady = lines.some((line) => line.startsWith(READY) && line.split('\t', 2)[1] === launch.name);
      if (isReady && child.pid !== undefined && (await files.socket(launch.name)) !== null)
        return PodProcess.spawned(child.pid, launch.name);
      if (performance.now() >= until || signal.aborted) {
        if (child.pid !== undefined) await killGroup(child.pid);
        throw new RuntimeError('ENGINE_UNAVAILABLE', 'The pod was not ready in time', {
          cause: new Error(`standard error: ${lines.slice(-8).join(' | ')}`),
        });
      }
      await delay(POLL_MS);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

/** Kills the process group of a child whose exit was not reported yet. Its process id cannot have been reused. */
const killGroup = async (pid: number): Promise<void> => {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // The process ended in the meantime.
  }
};
