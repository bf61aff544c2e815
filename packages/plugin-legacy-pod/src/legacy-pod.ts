import { realpath } from 'node:fs/promises';
import {
  type Claim,
  type CreateWorker,
  type PluginHost,
  RuntimeError,
  type RuntimePlugin,
  type WorkerSpec,
} from '@worker-runtime/core';
import { ENGINE_NAME, LegacyPodEngine } from './legacy-pod-engine.ts';
import { type LegacyPodOptions, type ResolvedOptions, resolveOptions } from './options.ts';
import { claimsOf, familyOf, podClaim, podOf, rowsAgainst } from './pod/claims.ts';
import { encodePodConfig, type PodConfig, podRequest } from './pod/pod-config.ts';
import { type LegacyPod, PodDirectory } from './pod/pod-directory.ts';
import { readMetadata } from './records/metadata.ts';
import { PodFiles } from './records/pod-files.ts';
import { mintPodName } from './records/pod-name.ts';
import type { ScopeRule } from './records/registry.ts';

/** Finds the pods of a user. Adopting one is a creation: `{ engine: 'legacy-pod', config: { adopt: ref } }`. */
export interface LegacyPods {
  /** @throws CONFIG_UNSUPPORTED the runtime directory of the pods is not safe */
  list(): Promise<readonly LegacyPod[]>;
}

/** These only read, unless their profile grants more. */
const READING_ROLES = new Set<string | null>(['orchestrator', 'intake', 'reviewer']);

class LegacyPodPlugin implements RuntimePlugin, LegacyPods {
  readonly name = 'legacy-pod';
  readonly #options: ResolvedOptions;
  readonly #files: PodFiles;
  readonly #directory: PodDirectory;
  #engine: LegacyPodEngine | null = null;

  constructor(options: ResolvedOptions) {
    const { dataDir, runtimeDir, configDir, command, snapshotMs } = options;
    this.#options = options;
    this.#files = new PodFiles(dataDir, runtimeDir);
    const programs = command.filter((part) => part.startsWith('/'));
    this.#directory = new PodDirectory(this.#files, snapshotMs, [
      dataDir,
      runtimeDir,
      ...(configDir === null ? [] : [configDir]),
      ...programs,
    ]);
  }

  apply(host: PluginHost): void {
    const engine = new LegacyPodEngine(this.#options, this.#files, this.#directory, host.log);
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

  /** Which pod it will be, kept with the Worker, and what that pod writes as its claims. */
  async #resolve(spec: WorkerSpec, request: CreateWorker): Promise<WorkerSpec> {
    if (spec.profile !== null && spec.bundle === null)
      throw new RuntimeError('PROFILE_INVALID', 'The profile of a pod is named by config.profile');
    const asked = podRequest(spec.config);
    if (asked.kind === 'adopt') {
      // its conversation is copied first, so there is nothing that an input could be atomic with
      if (request.initialInput !== undefined)
        throw new RuntimeError(
          'INVALID_REQUEST',
          'An adopted pod takes no initial input: send it afterwards',
          {
            details: { issues: [{ pointer: '/initialInput', message: 'is not possible here' }] },
          },
        );
      return this.#adopted(spec, asked.ref);
    }
    const [workspace, cwd] = await Promise.all([
      canonical(asked.workspace, 'workspace'),
      canonical(asked.cwd ?? asked.workspace, 'cwd'),
    ]);
    const pod: PodConfig = {
      name: mintPodName(),
      workspace,
      cwd,
      profile: asked.profile,
      role: asked.role,
      isAdopted: false,
    };
    const rule: ScopeRule = {
      target: workspace,
      permission: READING_ROLES.has(asked.role) ? 'read' : 'write',
      recursive: true,
    };
    return withPod(spec, pod, [rule]);
  }

  async #adopted(spec: WorkerSpec, ref: string): Promise<WorkerSpec> {
    const name = await this.#directory.nameOf(ref);
    if (name === null)
      throw new RuntimeError('CONFIG_UNSUPPORTED', 'There is no pod of this reference: list the pods again', {
        details: { issues: [{ pointer: '/config/adopt', message: 'is not known' }] },
      });
    const owner = this.#engine?.ownerOf(name);
    if (owner)
      throw new RuntimeError('CLAIM_CONFLICT', 'A Worker holds the pod already', {
        details: { workers: [owner] },
      });
    const metadata = await readMetadata(this.#files, name);
    const row = (await this.#directory.liveRows()).find((one) => one.name === name);
    const known = metadata === 'corrupt' ? null : metadata;
    const workspace = known?.workspace ?? row?.allow[0]?.target ?? '/';
    const role = (await this.#directory.roles()).get(name) ?? null;
    const pod: PodConfig = { name, workspace, cwd: workspace, profile: null, role, isAdopted: true };
    return withPod(spec, pod, row?.allow ?? known?.scope ?? []);
  }

  #assertCopied(workerId: string): void {
    if (this.#engine?.isCopying(workerId))
      throw new RuntimeError('WORKER_BUSY', 'The conversation so far is still being taken over', {
        details: { workerId },
      });
  }

  /** What pods outside of this runtime write is taken, too. */
  async #assertFree(engine: string | null, claims: readonly Claim[]): Promise<void> {
    if (!claims.some(({ mode, resource }) => mode === 'write' && resource.startsWith('fs:'))) return;
    const rows = await this.#directory.liveRows();
    const own = engine === ENGINE_NAME ? podOf(claims) : null;
    const family = own === null ? new Set<string>() : familyOf(own, rows);
    const others = rows.filter(({ name }) => !family.has(name) && this.#engine?.ownerOf(name) === null);
    for (const claim of claims) {
      const against = rowsAgainst(claim, others);
      if (against.length === 0) continue;
      throw new RuntimeError(
        'CLAIM_CONFLICT',
        `The claim "${claim.name}" overlaps what a running pod writes`,
        {
          details: {
            claim: claim.name,
            pods: against.slice(0, 10).map(({ name }) => this.#directory.refOf(name)),
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

const canonical = async (path: string, key: string): Promise<string> => {
  try {
    return await realpath(path);
  } catch (cause) {
    throw new RuntimeError('CONFIG_UNSUPPORTED', `config.${key} is not a directory that can be read`, {
      cause,
      details: { issues: [{ pointer: `/config/${key}`, message: 'cannot be read' }] },
    });
  }
};

/**
 * Old pod processes as Workers: started, attached, adopted from disk, and ended in the order that the old program
 * needs. Nothing of theirs is written.
 * @throws INVALID_REQUEST an option that is missing, does not exist or does not fit
 */
export const legacyPod = (options: LegacyPodOptions): RuntimePlugin & LegacyPods =>
  new LegacyPodPlugin(resolveOptions(options));

/** For the command line, whose options are untyped. */
export const plugin = (options: Readonly<Record<string, unknown>>): RuntimePlugin & LegacyPods =>
  new LegacyPodPlugin(resolveOptions(options));
