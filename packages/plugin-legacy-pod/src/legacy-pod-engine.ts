import { setTimeout as delay } from 'node:timers/promises';
import {
  type DetachReason,
  type Engine,
  type EngineCapabilities,
  type EngineContext,
  type EngineSession,
  type JsonObject,
  type Logger,
  RuntimeError,
} from '@worker-runtime/core';
import { type LinkEvent, PodLink } from './link/pod-link.ts';
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

interface Reached {
  readonly name: string;
  readonly link: PodLink;
  readonly snapshot: PodSnapshot;
  /** The process that was started for it now; null where it was running. */
  readonly launched: PodProcess | null;
}

const POLL_MS = 25;
/** A Worker whose pod never ran gets a new one at each start; more than a person would try. */
const MOST_NAMES = 1_000;

/** Executes Workers by old pods: one process each, which lives on when this runtime ends. */
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
  readonly #log: Logger;
  /** Which Worker holds which pod. */
  readonly #owners = new Map<string, string>();
  /** What is attached, by Worker. */
  readonly #sessions = new Map<string, PodSession>();
  /** Pods that are being ended: nobody starts one again before it is gone, or its end would take the new socket away. */
  readonly #endings = new Map<string, Promise<void>>();

  constructor(options: ResolvedOptions, files: PodFiles, directory: PodDirectory, log: Logger) {
    this.#options = options;
    this.#files = files;
    this.#directory = directory;
    this.#log = log;
  }

  /** The Worker that holds a pod now. */
  readonly ownerOf = (name: string): string | null => this.#owners.get(name) ?? null;

  /** Whether what an adopted pod said before is still being recorded: an input would stand before it. */
  isCopying(workerId: string): boolean {
    return this.#sessions.get(workerId)?.isCopying ?? false;
  }

  checkConfig(config: JsonObject): void {
    if (decodePodConfig(config) === null)
      throw new RuntimeError('CONFIG_UNSUPPORTED', 'The config of a pod is resolved by its plugin');
  }

  async attach(context: EngineContext): Promise<EngineSession> {
    const pod = decodePodConfig(context.config);
    if (!pod) throw new RuntimeError('CONFIG_UNSUPPORTED', 'The Worker does not say which pod it is');
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
    // events that come before there is a session to hear them
    const early: LinkEvent[] = [];
    let session: PodSession | null = null;
    const listen = (event: LinkEvent): void => {
      if (session) session.receive(event);
      else early.push(event);
    };
    let reached: Reached | null = null;
    try {
      reached = await this.#reach(context, pod, listen);
      const { link, snapshot, launched } = reached;
      const at = reached.name;
      if (at !== name) this.#owners.set(at, context.workerId);
      const redactor = await this.#directory.redactorFor(at, [pod.workspace, pod.cwd]);
      const release = (reason: DetachReason, open: PodLink | null): Promise<void> =>
        this.#release(context, pod, at, launched, reason, open);
      const made = new PodSession({
        context,
        files: this.#files,
        name: at,
        redactor,
        acceptMs: this.#options.acceptMs,
        isCopying: pod.isAdopted && context.generation === 1,
        release,
        onRunEnd: () => void this.#adoptChildren(context, at),
      });
      const connected = made.connect(link, snapshot);
      session = made;
      this.#sessions.set(context.workerId, made);
      for (const event of early.splice(0)) made.receive(event);
      await connected;
      void this.#adoptChildren(context, at);
      return made;
    } catch (error) {
      reached?.link.close();
      if (reached?.launched) await this.#end(reached.name, reached.launched, null);
      this.#disown(context, pod, reached?.name ?? name);
      throw error;
    }
  }

  /** Attaches to the pod if it runs, else starts it. */
  async #reach(context: EngineContext, pod: PodConfig, listen: (event: LinkEvent) => void): Promise<Reached> {
    const { name, isRestore, workspace } = await this.#present(pod);
    const running = await this.#running(name, listen, context.signal);
    if (running) return { ...running, name, launched: null };
    const launched = await launchPod(
      this.#files,
      {
        name,
        workspace,
        cwd: pod.isAdopted ? workspace : pod.cwd,
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
    throw new RuntimeError('ENGINE_UNAVAILABLE', 'The pod was ready and does not answer');
  }

  /** The name under which the Worker's pod is, or is to be made. */
  async #present(
    pod: PodConfig,
  ): Promise<{ readonly name: string; readonly isRestore: boolean; readonly workspace: string }> {
    for (let number = 1; number <= MOST_NAMES; number += 1) {
      const name = laterPodName(pod.name, number);
      const metadata = await readMetadata(this.#files, name);
      if (metadata === 'corrupt')
        throw new RuntimeError('CONFIG_UNSUPPORTED', 'The metadata of the pod is damaged');
      const isFree = metadata === null;
      if (isFree && pod.isAdopted && (await this.#files.socket(name)) === null)
        throw new RuntimeError('CONFIG_UNSUPPORTED', 'Nothing is left of the pod');
      if (isFree) return { name, isRestore: false, workspace: pod.workspace };
      const isRestorable = metadata.segment !== null;
      const isRunning = (await this.#files.socket(name)) !== null;
      if (!isRestorable && !isRunning && pod.isAdopted)
        throw new RuntimeError('CONFIG_UNSUPPORTED', 'The pod never ran, so it cannot be restored');
      // one that never ran cannot be had again: the Worker gets another
      if (isRestorable || isRunning || (await PodProcess.find(this.#files, name)) !== null)
        return { name, isRestore: isRestorable, workspace: metadata.workspace ?? pod.workspace };
    }
    throw new RuntimeError('ENGINE_UNAVAILABLE', 'The pod was started too often without ever running');
  }

  /** A pod that runs, once it answers. Null where none does: then its process is gone as well. */
  async #running(name: string, listen: (event: LinkEvent) => void, signal: AbortSignal) {
    const opened = await this.#open(name, listen);
    if (opened) return opened;
    const found = await PodProcess.find(this.#files, name);
    if (!found) return null;
    const late = await this.#openUntil(name, this.#options.readyMs, listen, signal, found);
    if (late) return late;
    if (await found.isOn()) throw new RuntimeError('ENGINE_UNAVAILABLE', 'The pod runs and does not answer');
    return null;
  }

  async #openUntil(
    name: string,
    timeoutMs: number,
    listen: (event: LinkEvent) => void,
    signal: AbortSignal,
    process: PodProcess,
  ) {
    const until = Date.now() + timeoutMs;
    for (;;) {
      const opened = await this.#open(name, listen);
      if (opened) return opened;
      if (Date.now() >= until || signal.aborted || !(await process.isOn())) return null;
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

  /** Ends the pod, or lets it live on without this runtime. */
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
      this.#disown(context, pod, name);
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

  #disown(context: EngineContext, pod: PodConfig, name: string): void {
    this.#sessions.delete(context.workerId);
    for (const one of [pod.name, name])
      if (this.#owners.get(one) === context.workerId) this.#owners.delete(one);
  }

  /** Pods that this one started become children of its Worker. */
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
      if (!context.signal.aborted)
        context.log.warn({ err: error }, 'A child of a pod could not be taken over');
    }
  }
}
