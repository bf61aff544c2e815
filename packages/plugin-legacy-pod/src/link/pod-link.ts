import { setTimeout as delay } from 'node:timers/promises';
import { PodProcess } from '../pod/pod-process.ts';
import type { PodFiles } from '../records/pod-files.ts';
import { type Opened, PodConnection, takeSnapshot } from '../wire/pod-connection.ts';
import type { PodEvent, PodSnapshot } from '../wire/pod-event.ts';
import type { PodMethod } from '../wire/pod-method.ts';
import type { StreamMark } from './stream-place.ts';

/** What happens on a link: events of the pod, and what became of the connection. */
export type LinkEvent =
  | {
      readonly type: 'event';
      readonly event: PodEvent;
      /** Where it stood in its stream. */
      readonly at?: StreamMark;
    }
  /** The pod cut a slow reader off; this is how it is now. */
  | { readonly type: 'again'; readonly snapshot: PodSnapshot }
  | { readonly type: 'lost'; readonly error: unknown };

const FIRST_PAUSE_MS = 20;
const LAST_PAUSE_MS = 1_000;
/** Tries after which a pod whose process nobody can name counts as gone. */
const BLIND_TRIES = 3;
const TRIES = 12;

/**
 * The one long connection to a pod. That it ends says little: the pod stopped, crashed, or cut off a reader that fell
 * behind. So it is made again while the pod's process lives.
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

  /** @throws PodUnreachableError · UnsafeFileError */
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

  /** What the pod has committed by now, over a connection of its own. Null where it cannot be had. */
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
    // whoever asked hears of the snapshot first, then of the alerts before it
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
    for (let attempt = 1; attempt <= TRIES && !this.#isClosed; attempt += 1) {
      try {
        const opened = await this.#connect();
        if (opened) {
          this.#listen({ type: 'again', snapshot: opened.snapshot });
          return;
        }
      } catch (error) {
        failure = error;
      }
      const isNamed = (await PodProcess.find(this.#files, this.#name).catch(() => null)) !== null;
      if (!isNamed && attempt >= BLIND_TRIES) break;
      await delay(pauseMs);
      pauseMs = Math.min(pauseMs * 2, LAST_PAUSE_MS);
    }
    if (!this.#isClosed) this.#listen({ type: 'lost', error: failure ?? new Error('the pod is gone') });
  }
}
