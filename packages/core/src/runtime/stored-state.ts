import type { Clock } from '../contracts/clock.ts';
import type { JsonValue } from '../contracts/json.ts';
import type { Limits } from '../contracts/limits.ts';
import type { PluginState } from '../contracts/plugin.ts';
import { payloadTooLarge, RuntimeError } from '../contracts/runtime-error.ts';
import type { RuntimeStore } from '../contracts/store.ts';
import { storeInTime } from '../in-time.ts';
import { assertShape, json } from '../plugin-kit/shape.ts';

/** The names under which a store keeps states. */
const NAME = /^[\x21-\x7e]{1,128}$/;

export interface StateOptions {
  readonly clock: Clock;
  readonly limits: Limits;
  /** Returns the open store. @throws RUNTIME_NOT_READY · RUNTIME_STOPPING · STORE_LOST */
  readonly openStore: () => RuntimeStore;
}

/** A write that waits for the one before it. A later call replaces its body, because only the last value counts. */
interface WaitingWrite {
  body: Uint8Array;
  readonly done: Promise<void>;
}

/**
 * The state of one plugin in the store. One write is in progress at a time, and at most one waits, however often the plugin
 * writes and however slow the store is.
 */
export class StoredState implements PluginState {
  readonly #name: string;
  readonly #options: StateOptions;
  #inProgress: Promise<unknown> = Promise.resolve();
  #waiting: WaitingWrite | null = null;

  constructor(name: string, options: StateOptions) {
    this.#name = name;
    this.#options = options;
  }

  async read(): Promise<JsonValue> {
    const store = this.#openStore();
    const written = this.#waiting?.done.catch(() => {}) ?? this.#inProgress;
    const body = await this.#inTime(written.then(() => store.pluginState(this.#name)));
    if (body === null) return null;
    try {
      return JSON.parse(new TextDecoder().decode(body)) as JsonValue;
    } catch (cause) {
      const message = `The state of the plugin "${this.#name}" is not readable`;
      throw new RuntimeError('STORE_CORRUPT', message, { cause });
    }
  }

  async write(value: JsonValue): Promise<void> {
    this.#openStore();
    assertShape(json, value);
    const body = new TextEncoder().encode(JSON.stringify(value));
    const { pluginStateBytes } = this.#options.limits;
    if (body.length > pluginStateBytes) {
      const message = `The state of the plugin "${this.#name}" is too large`;
      throw payloadTooLarge('pluginStateBytes', pluginStateBytes, message);
    }
    if (this.#waiting) this.#waiting.body = body;
    else this.#waiting = { body, done: this.#next() };
    await this.#inTime(this.#waiting.done);
  }

  /** Writes the body that waits as soon as no write is in progress. */
  #next(): Promise<void> {
    const done = this.#inProgress.then(() => {
      const { body } = this.#waiting as WaitingWrite;
      this.#waiting = null;
      return this.#openStore().putPluginState(this.#name, body);
    });
    this.#inProgress = done.catch(() => {});
    return done;
  }

  #openStore(): RuntimeStore {
    if (!NAME.test(this.#name))
      throw new RuntimeError('INVALID_REQUEST', `A plugin of the name "${this.#name}" cannot have a state`);
    return this.#options.openStore();
  }

  #inTime<T>(promise: Promise<T>): Promise<T> {
    const { clock, limits } = this.#options;
    return storeInTime(clock, limits.commitTimeoutMs, promise);
  }
}
