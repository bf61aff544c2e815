import { setTimeout as delay } from 'node:timers/promises';
import { PodProcess } from '../pod/pod-process.ts';
import type { PodFiles } from '../records/pod-files.ts';
import { type Opened, PodConnection, takeSnapshot } from '../wire/pod-connection.ts';
import type { PodEvent, PodSnapshot } from '../wire/pod-event.ts';
import type { PodMethod } from '../wire/pod-method.ts';
import type { LinkEvent } from './link-event.ts';

const FIRST_PAUSE_MS = 20;
const LAST_PAUSE_MS = 1_000;
/** The number of attempts after which a pod without a known process counts as gone. */
const MAX_ATTEMPTS_WITHOUT_PROCESS = 3;
const MAX_ATTEMPTS = 12;

/**
 * The long-lived connection to a pod. A closed connection does not mean that the pod is gone: a pod also disconnects a
 * reader that falls behind. The link therefore connects again while the pod's process lives.
 */
export class PodLink {
  readonly #files: PodFiles;
  readonly #name: string;
  readonly #timeoutMs: number;
  readonly #listen: (event: LinkEvent) => void;
  #connection: PodConnection | null = null;
  #isClosed = false;

  private constructor(files: PodFiles, name: string, timeoutMs: number, listen: (event: LinkEvent) => void) {
    this.#files = files;
    this.#name = name;
    this.#timeoutMs = timeoutMs;
    this.#listen = listen;
  }

  /** Connects to a pod. Returns null if the pod has no socket. @throws PodUnreachableError · UnsafeFileError */
  static async open(
    files: PodFiles,
    name: string,
    timeoutMs: number,
    listen: (event: LinkEvent) => void,
  ): Promise<{ readonly link: PodLink; readonly snapshot: PodSnapshot } | null> {
    const link = new PodLink(files, name, timeoutMs, listen);
    const opened = await link.#connect();
    return opened && { link, snapshot: opened.snapshot };
  }

  send(method: PodMethod): void {
    this.#connection?.send(method);
  }

  /** Reads the pod's present snapshot over a connection of its own. Returns null if the pod cannot be reached. */
  async snapshot(): Promise<PodSnapshot | null> {
    try {
      const path = await this.#files.socket(this.#name);
      return path === null ? null : await takeSnapshot(path, this.#name, this.#timeoutMs);
    } catch {
      return null;
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#connection?.close();
  }

  async #connect(): Promise<Opened | null> {
    const path = await this.#files.socket(this.#name);
    if (path === null) return null;
    const early: PodEvent[] = [];
    let isOpen = false;
    const opened = await PodConnection.open(path, this.#name, this.#timeoutMs, {
      onEvent: (event) => {
        if (isOpen) this.#listen({ type: 'event', event });
        else early.push(event);
      },
      onClose: () => {
        if (!this.#isClosed) void this.#reconnect();
      },
    });
    this.#connection = opened.connection;
    // The caller must process the snapshot before the alerts that arrived ahead of it.
    queueMicrotask(() => {
      isOpen = true;
      for (const event of early.splice(0)) this.#listen({ type: 'event', event });
    });
    if (this.#isClosed) opened.connection.close();
    return opened;
  }

  async #reconnect(): Promise<void> {
    let failure: unknown = null;
    let pauseMs = FIRST_PAUSE_MS;
    for (let attempt = 1; attempt <= MAX_ATTEMPTS && !this.#isClosed; attempt += 1) {
      try {
        const opened = await this.#connect();
        if (opened) {
          this.#listen({ type: 'reconnected', snapshot: opened.snapshot });
          return;
        }
      } catch (error) {
        failure = error;
      }
      const isProcessKnown = (await PodProcess.find(this.#files, this.#name).catch(() => null)) !== null;
      if (!isProcessKnown && attempt >= MAX_ATTEMPTS_WITHOUT_PROCESS) break;
      await delay(pauseMs);
      pauseMs = Math.min(pauseMs * 2, LAST_PAUSE_MS);
    }
    if (!this.#isClosed) this.#listen({ type: 'lost', error: failure ?? new Error('the pod is gone') });
  }
}
