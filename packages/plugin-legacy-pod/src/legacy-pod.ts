import { realpath } from 'node:fs/promises';
import {
  type Claim,
  type CreateWorker,
  type PluginHost,
  RuntimeError,
  type RuntimePlugin,
  type WorkerSpec,
} from '@worker-runtime/core';
import type { AllowedRoots } from '@worker-runtime/core/plugin-kit';
import { ENGINE_NAME, LegacyPodEngine, podRoots } from './legacy-pod-engine.ts';
import { type LegacyPodOptions, type ResolvedOptions, resolveOptions } from './options.ts';
import { claimsOf, conflictingRows, familyOf, podClaim, podOf } from './pod/claims.ts';
import { encodePodConfig, type PodConfig, podRequest } from './pod/pod-config.ts';
import { type LegacyPod, PodDirectory } from './pod/pod-directory.ts';
import { readMetadata } from './records/metadata.ts';
import { PodFiles } from './records/pod-files.ts';
import { mintPodName } from './records/pod-name.ts';
import type { ScopeRule } from './records/registry.ts';

/** Lists the pods of a user. To adopt one, create a Worker: `{ engine: 'legacy-pod', config: { adopt: ref } }`. */
export interface LegacyPods {
  /** Lists all pods. @throws CONFIG_UNSUPPORTED the runtime directory of the pods is not safe */
  list(): Promise<readonly LegacyPod[]>;
}

/** The roles whose pods only read their workspace, unless their profile allows more. */
const READING_ROLES = new Set<string | null>(['orchestrator', 'intake', 'reviewer']);

class LegacyPodPlugin implements RuntimePlugin, LegacyPods {
  readonly name = 'legacy-pod';
  readonly #options: ResolvedOptions;
  readonly #files: PodFiles;
  readonly #directory: PodDirectory;
  readonly #roots: AllowedRoots;
  #engine: LegacyPodEngine | null = null;

  constructor(options: ResolvedOptions) {
    const { dataDir, runtimeDir, configDir, command, snapshotMs } = options;
    this.#options = options;
    this.#files = new PodFiles(dataDir, runtimeDir);
    const programs = command.filter((part) => part.startsWith('/'));
    this.#directory = new PodDirectory(
      this.#files,
      snapshotMs,
      [dataDir, runtimeDir, ...(configDir === null ? [] : [configDir]), ...programs],
      options,
    );
    this.#roots = podRoots(options);
  }

  apply(host: PluginHost): void {
    const engine = new LegacyPodEngine(
      this.#options,
      this.#files,
      this.#directory,
      host.log,
      async (workerId, decision) => {
        for (const { requestId, options: choices } of (await host.runtime.listRequests(workerId)).items)
          if (choices.some(({ id }) => id === decision))
            await host.runtime.respond(workerId, requestId, {
              decision,
              note: 'Decided by another client of the pod',
            });
      },
    );
    this.#engine = engine;
    host.useEngine(engine);
    host.hooks.start.tapPromise(async () => {
      await this.#files.assertRuntimeDir();
    });
    host.hooks.prepare.tapPromise(async (spec, request) =>
      spec.engine === ENGINE_NAME ? this.#resolve(spec, request) : spec,
    );
    host.hooks.admit.tapPromise(async (command) => {
      if (command.type === 'worker.create') await this.#assertFree(command.spec.engine, command.spec.claims);
      else if (command.type === 'worker.input') this.#assertCopied(command.workerId);
      else if (command.type === 'worker.resume') {
        const { engine } = await host.runtime.getWorker(command.workerId);
        await this.#assertFree(engine, command.claims);
      }
    });
  }

  list(): Promise<readonly LegacyPod[]> {
    return this.#directory.list((name) => this.#engine?.ownerOf(name) ?? null);
  }

  /** Chooses the pod of a new Worker. Adds its config, and its scope as claims. */
  async #resolve(spec: WorkerSpec, request: CreateWorker): Promise<WorkerSpec> {
    if (spec.profile !== null && spec.bundle === null)
      throw new RuntimeError('PROFILE_INVALID', 'Set the profile of a pod by config.profile');
    const wanted = podRequest(spec.config);
    const claimed = { ...spec, claims: await this.#roots.resolveClaims(spec.claims) };
    if (wanted.kind === 'adopt') {
      // The conversation is copied before any input, so the creation cannot be atomic with an input.
      if (request.initialInput !== undefined)
        throw new RuntimeError(
          'INVALID_REQUEST',
          'The creation of a Worker that adopts a pod takes no initial input; send the input afterwards',
          {
            details: { issues: [{ pointer: '/initialInput', message: 'is not allowed with config.adopt' }] },
          },
        );
      return this.#resolveAdoption(claimed, wanted.ref);
    }
    const workspace = await this.#canonical(wanted.workspace, 'workspace');
    const cwd = await this.#canonical(wanted.cwd ?? wanted.workspace, 'cwd');
    const pod: PodConfig = {
      name: mintPodName(),
      workspace,
      cwd,
      profile: wanted.profile,
      role: wanted.role,
      isAdopted: false,
    };
    const rule: ScopeRule = {
      target: workspace,
      permission: READING_ROLES.has(wanted.role) ? 'read' : 'write',
      recursive: true,
    };
    return withPod(claimed, pod, [rule]);
  }

  async #resolveAdoption(spec: WorkerSpec, ref: string): Promise<WorkerSpec> {
    const name = await this.#directory.nameOf(ref);
    if (name === null)
      throw new RuntimeError('CONFIG_UNSUPPORTED', 'No pod has this reference; list the pods again', {
        details: { issues: [{ pointer: '/config/adopt', message: 'is unknown' }] },
      });
    const owner = this.#engine?.ownerOf(name);
    if (owner)
      throw new RuntimeError('CLAIM_CONFLICT', 'Another Worker holds the pod', {
        details: { workers: [owner] },
      });
    const metadata = await readMetadata(this.#files, name);
    const row = (await this.#directory.liveRows()).find((one) => one.name === name);
    const known = metadata === 'corrupt' ? null : metadata;
    const workspace = known?.workspace ?? row?.allow[0]?.target ?? '/';
    const role = (await this.#directory.roles()).get(name) ?? null;
    const pod: PodConfig = { name, workspace, cwd: workspace, profile: null, role, isAdopted: true };
    const scope = row?.allow ?? known?.scope ?? [];
    const used = [workspace, ...scope.flatMap((rule) => (rule.permission === 'write' ? [rule.target] : []))];
    if (this.#options.roots !== null)
      for (const path of used)
        if ((await this.#roots.resolve(path)) === null) throw this.#roots.refusal('The pod', '/config/adopt');
    return withPod(spec, pod, scope);
  }

  /** Returns a directory inside the roots with all links resolved. */
  async #canonical(path: string, key: string): Promise<string> {
    const real = await this.#roots.resolve(path);
    if (real === null) throw this.#roots.refusal(`config.${key}`, `/config/${key}`);
    return realpath(real).catch((cause: unknown) => {
      throw new RuntimeError('CONFIG_UNSUPPORTED', `config.${key} is not a readable directory`, {
        cause,
        details: { issues: [{ pointer: `/config/${key}`, message: 'cannot be read' }] },
      });
    });
  }

  #assertCopied(workerId: string): void {
    if (this.#engine?.isCopying(workerId))
      throw new RuntimeError('WORKER_BUSY', 'The conversation of the adopted pod is still being copied', {
        details: { workerId },
      });
  }

  /** @throws CLAIM_CONFLICT a claim covers files that a running pod without a Worker may write */
  async #assertFree(engine: string | null, claims: readonly Claim[]): Promise<void> {
    if (!claims.some(({ mode, resource }) => mode === 'write' && resource.startsWith('fs:'))) return;
    const rows = await this.#directory.liveRows();
    const own = engine === ENGINE_NAME ? podOf(claims) : null;
    const family = own === null ? new Set<string>() : familyOf(own, rows);
    const others = rows.filter(({ name }) => !family.has(name) && this.#engine?.ownerOf(name) === null);
    for (const claim of claims) {
      const conflicts = conflictingRows(claim, others);
      if (conflicts.length === 0) continue;
      throw new RuntimeError(
        'CLAIM_CONFLICT',
        `The claim "${claim.name}" overlaps the files that a running pod may write`,
        {
          details: {
            claim: claim.name,
            pods: conflicts.slice(0, 10).map(({ name }) => this.#directory.refOf(name)),
          },
        },
      );
    }
  }
}

const withPod = (spec: WorkerSpec, pod: PodConfig, rules: readonly ScopeRule[]): WorkerSpec => {
  const scope = claimsOf(rules).filter(
    ({ resource }) => !spec.claims.some((given) => given.resource === resource && given.mode === 'write'),
  );
  return { ...spec, config: encodePodConfig(pod), claims: [...spec.claims, ...scope, podClaim(pod.name)] };
};

/**
 * Creates the plugin that runs old pod processes as Workers. Its engine starts pods, attaches to running pods, restores
 * stopped pods, and ends pods. It never writes a file of the old program.
 * @throws INVALID_REQUEST an option is missing, unknown or invalid
 */
export const legacyPod = (options: LegacyPodOptions): RuntimePlugin & LegacyPods =>
  new LegacyPodPlugin(resolveOptions(options));

/** Creates the plugin from the untyped options of a command line. */
export const plugin = (options: Readonly<Record<string, unknown>>): RuntimePlugin & LegacyPods =>
  new LegacyPodPlugin(resolveOptions(options));
