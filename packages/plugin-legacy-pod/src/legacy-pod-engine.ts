import { setTimeout as delay } from 'node:timers/promises';
import {
  type Engine,
  type EngineCapabilities,
  type EngineContext,
  type EngineSession,
  type JsonObject,
  type Logger,
  RuntimeError,
} from '@worker-runtime/core';
import { AllowedRoots, type DetachReason } from '@worker-runtime/core/plugin-kit';
import type { LinkEvent } from './link/link-event.ts';
import { PodLink } from './link/pod-link.ts';
import type { ResolvedOptions } from './options.ts';
import { decodePodConfig, type PodConfig } from './pod/pod-config.ts';
import type { PodDirectory } from './pod/pod-directory.ts';
import { endPod } from './pod/pod-ending.ts';
import { PodProcess } from './pod/pod-process.ts';
import { launchPod } from './pod/pod-spawn.ts';
import { PodSession } from './pod-session.ts';
import { readMetadata } from './records/metadata.ts';
import type { PodFiles } from './records/pod-files.ts';
import { laterPodName } from './records/pod-name.ts';
import type { PodSnapshot } from './wire/pod-event.ts';

export const ENGINE_NAME = 'legacy-pod';

type AnswerRequests = (workerId: string, decision: string) => Promise<void>;

interface ConnectedPod {
  readonly name: string;
  readonly link: PodLink;
  readonly snapshot: PodSnapshot;
  /** The process if this attach started it; null if the pod was already running. */
  readonly launched: PodProcess | null;
}

const POLL_MS = 25;
/** A Worker whose pod never ran gets a pod with a new name at each start, up to this many. */
const MAX_NAMES = 1_000;

/** Returns the directories in which pods may be started. */
export const podRoots = ({ roots }: ResolvedOptions): AllowedRoots =>
  new AllowedRoots(roots ?? [], 'legacy-pod.roots');

/** Executes each Worker by the process of one old pod. The process keeps running when this runtime ends. */
export class LegacyPodEngine implements Engine {
  readonly name = ENGINE_NAME;
  readonly capabilities: EngineCapabilities = {
    placement: 'localProcess',
    access: { filesystem: true, shell: true },
    requests: true,
    attachAtStart: true,
  };
  readonly #options: ResolvedOptions;
  readonly #files: PodFiles;
  readonly #directory: PodDirectory;
  readonly #roots: AllowedRoots;
  readonly #log: Logger;
  readonly #answerRequests: AnswerRequests;
  /** Worker ids by pod name. */
  readonly #owners = new Map<string, string>();
  /** The attached sessions by Worker id. */
  readonly #sessions = new Map<string, PodSession>();
  /** Pods that are being ended. A pod is not started again before its end, because it removes its socket at its end. */
  readonly #endings = new Map<string, Promise<void>>();

  /** `answerRequests` answers the open requests of a Worker, if another client of its pod decided. */
  constructor(
    options: ResolvedOptions,
    files: PodFiles,
    directory: PodDirectory,
    log: Logger,
    answerRequests: AnswerRequests = async () => {},
  ) {
    this.#options = options;
    this.#files = files;
    this.#directory = directory;
    this.#roots = podRoots(options);
    this.#log = log;
    this.#answerRequests = answerRequests;
  }

  /** Returns the id of the Worker that holds a pod now, or null. */
  readonly ownerOf = (name: string): string | null => this.#owners.get(name) ?? null;

  /** True while the earlier conversation of an adopted pod is being copied. An input now would come before it. */
  isCopying(workerId: string): boolean {
    return this.#sessions.get(workerId)?.isCopying ?? false;
  }

  checkConfig(config: JsonObject): void {
    if (decodePodConfig(config) === null)
      throw new RuntimeError('CONFIG_UNSUPPORTED', 'The config was not resolved by the plugin legacy-pod');
  }

  async attach(context: EngineContext): Promise<EngineSession> {
    const pod = decodePodConfig(context.config);
    if (!pod) throw new RuntimeError('CONFIG_UNSUPPORTED', 'The config of the Worker does not name its pod');
    try {
      return await this.#attach(context, pod);
    } catch (error) {
      context.log.error({ err: error, worker: context.workerId }, 'A pod could not be attached');
      throw error instanceof RuntimeError
        ? error
        : new RuntimeError('ENGINE_UNAVAILABLE', 'The pod cannot be reached', { cause: error });
    }
  }

  async #attach(context: EngineContext, pod: PodConfig): Promise<EngineSession> {
    const { name } = pod;
    await this.#endings.get(name);
    const owner = this.#owners.get(name);
    if (owner !== undefined && owner !== context.workerId)
      throw new RuntimeError('CLAIM_CONFLICT', 'Another Worker holds the pod', {
        details: { workers: [owner] },
      });
    this.#owners.set(name, context.workerId);
    // Events that arrive before the session exists.
    const early: LinkEvent[] = [];
    let session: PodSession | null = null;
    const listen = (event: LinkEvent): void => {
      if (session) session.receive(event);
      else early.push(event);
    };
    let connected: ConnectedPod | null = null;
    try {
      connected = await this.#connectOrStart(context, pod, listen);
      const { link, snapshot, launched, name: podName } = connected;
      if (podName !== name) this.#owners.set(podName, context.workerId);
      const redactor = await this.#directory.redactorFor(podName, [pod.workspace, pod.cwd]);
      const release = (reason: DetachReason, open: PodLink | null): Promise<void> =>
        this.#release(context, pod, podName, launched, reason, open);
      const created = new PodSession({
        context,
        files: this.#files,
        name: podName,
        redactor,
        acceptMs: this.#options.acceptMs,
        isCopying: pod.isAdopted && context.generation === 1,
        release,
        answerRequests: (decision) => this.#answerRequests(context.workerId, decision),
        onRunEnd: () => void this.#adoptChildren(context, podName),
      });
      const ready = created.connect(link, snapshot);
      session = created;
      this.#sessions.set(context.workerId, created);
      for (const event of early.splice(0)) created.receive(event);
      await ready;
      void this.#adoptChildren(context, podName);
      return created;
    } catch (error) {
      connected?.link.close();
      if (connected?.launched) await this.#end(connected.name, connected.launched, null);
      this.#releaseOwner(context, pod, connected?.name ?? name);
      throw error;
    }
  }

  /** Connects to the pod if it runs. Otherwise starts it. */
  async #connectOrStart(
    context: EngineContext,
    pod: PodConfig,
    listen: (event: LinkEvent) => void,
  ): Promise<ConnectedPod> {
    const { name, isRestore, workspace: recorded } = await this.#locate(pod);
    // The links in a path may have been changed since the Worker was created.
    const isBounded = !pod.isAdopted || this.#options.roots !== null;
    const workspace = isBounded ? await this.#allowed(recorded) : recorded;
    const cwd = pod.isAdopted ? workspace : await this.#allowed(pod.cwd);
    const running = await this.#connectRunning(name, listen, context.signal);
    if (running) return { ...running, name, launched: null };
    const launched = await launchPod(
      this.#files,
      {
        name,
        workspace,
        cwd,
        profile: pod.profile,
        role: pod.role,
        isRestore,
      },
      this.#options,
      context.signal,
    );
    const opened = await this.#openUntil(name, this.#options.readyMs, listen, context.signal, launched);
    if (opened) return { ...opened, name, launched };
    await this.#end(name, launched, null);
    throw new RuntimeError('ENGINE_UNAVAILABLE', 'The pod started but does not answer');
  }

  /** Returns a path with all links resolved. @throws CONFIG_UNSUPPORTED it is outside the roots */
  async #allowed(path: string): Promise<string> {
    const real = await this.#roots.resolve(path);
    if (real === null) throw this.#roots.refusal('The directory of the pod', '/config');
    return real;
  }

  /** Finds the name of the Worker's pod, or a free name for a new pod. */
  async #locate(
    pod: PodConfig,
  ): Promise<{ readonly name: string; readonly isRestore: boolean; readonly workspace: string }> {
    for (let number = 1; number <= MAX_NAMES; number += 1) {
      const name = laterPodName(pod.name, number);
      const metadata = await readMetadata(this.#files, name);
      if (metadata === 'corrupt')
        throw new RuntimeError('CONFIG_UNSUPPORTED', 'The metadata of the pod is damaged');
      const isFree = metadata === null;
      if (isFree && pod.isAdopted && (await this.#files.socket(name)) === null)
        throw new RuntimeError('CONFIG_UNSUPPORTED', 'The pod does not exist any more');
      if (isFree) return { name, isRestore: false, workspace: pod.workspace };
      const isRestorable = metadata.segment !== null;
      const isRunning = (await this.#files.socket(name)) !== null;
      if (!isRestorable && !isRunning && pod.isAdopted)
        throw new RuntimeError('CONFIG_UNSUPPORTED', 'The pod never ran, so it cannot be restored');
      // A pod that never ran cannot be restored. The Worker gets a pod with the next name.
      if (isRestorable || isRunning || (await PodProcess.find(this.#files, name)) !== null)
        return { name, isRestore: isRestorable, workspace: metadata.workspace ?? pod.workspace };
    }
    throw new RuntimeError('ENGINE_UNAVAILABLE', 'The pod was started too often without a first run');
  }

  /** Connects to the pod if its process runs, and waits until it answers. Returns null if the process does not run. */
  async #connectRunning(name: string, listen: (event: LinkEvent) => void, signal: AbortSignal) {
    const opened = await this.#open(name, listen);
    if (opened) return opened;
    const found = await PodProcess.find(this.#files, name);
    if (!found) return null;
    const openedLater = await this.#openUntil(name, this.#options.readyMs, listen, signal, found);
    if (openedLater) return openedLater;
    if (await found.isRunning())
      throw new RuntimeError('ENGINE_UNAVAILABLE', 'The process of the pod runs but does not answer');
    return null;
  }

  async #openUntil(
    name: string,
    timeoutMs: number,
    listen: (event: LinkEvent) => void,
    signal: AbortSignal,
    process: PodProcess,
  ) {
    const until = performance.now() + timeoutMs;
    for (;;) {
      const opened = await this.#open(name, listen);
      if (opened) return opened;
      if (performance.now() >= until || signal.aborted || !(await process.isRunning())) return null;
      await delay(POLL_MS);
    }
  }

  async #open(name: string, listen: (event: LinkEvent) => void) {
    try {
      return await PodLink.open(this.#files, name, this.#options.snapshotMs, listen);
    } catch (error) {
      if (error instanceof RuntimeError) throw error;
      this.#log.debug({ err: error }, 'A pod does not answer');
      return null;
    }
  }

  /** Ends the pod or leaves it running, depending on the reason. */
  async #release(
    context: EngineContext,
    pod: PodConfig,
    name: string,
    launched: PodProcess | null,
    reason: DetachReason,
    link: PodLink | null,
  ): Promise<void> {
    const isEnded = reason === 'stop' || reason === 'delete' || reason === 'deadline';
    try {
      if (isEnded || (reason === 'creation' && launched)) await this.#end(name, launched, link);
    } finally {
      this.#releaseOwner(context, pod, name);
    }
  }

  async #end(name: string, launched: PodProcess | null, link: PodLink | null): Promise<void> {
    link?.send({ method: 'shutdown' });
    const ending = endPod(this.#files, name, this.#options, this.#log, launched).then((how) => {
      if (how === 'unknown') this.#log.error({ pod: name }, 'A pod could not be ended');
    });
    const settled = ending.catch(() => {}).finally(() => this.#endings.delete(name));
    this.#endings.set(name, settled);
    await ending;
  }

  #releaseOwner(context: EngineContext, pod: PodConfig, name: string): void {
    this.#sessions.delete(context.workerId);
    for (const one of [pod.name, name])
      if (this.#owners.get(one) === context.workerId) this.#owners.delete(one);
  }

  /** Creates a child Worker for each pod that this pod started. */
  async #adoptChildren(context: EngineContext, name: string): Promise<void> {
    try {
      const rows = await this.#directory.liveRows();
      const children = rows.filter((row) => row.delegatedFrom === name && row.segment !== null);
      for (const child of children) {
        if (context.signal.aborted || this.#owners.has(child.name)) continue;
        await context.createChild({
          engine: this.name,
          config: { adopt: this.#directory.refOf(child.name) },
        });
      }
    } catch (error) {
      if (!context.signal.aborted) context.log.warn({ err: error }, 'A child pod could not be adopted');
    }
  }
}
