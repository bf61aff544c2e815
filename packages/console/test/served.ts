import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { type Engine, memoryStore, Runtime } from '@worker-runtime/core';
import { type ScriptedEngine, scriptedEngine } from '@worker-runtime/core/testing';
import type { PriceList } from '@worker-runtime/core/views';
import { http } from '@worker-runtime/plugin-http';
import { wsObservation } from '@worker-runtime/plugin-ws';
import type { ExecutionContext } from 'ava';
import { assets } from '../src/index.ts';

export interface ServedOptions {
  readonly hasSockets?: boolean;
  readonly prices?: PriceList;
  /** More engines beside the scripted one. */
  readonly engines?: readonly Engine[];
}

/** A runtime with the console on a real port, behind a connection that can be cut, and with a store that survives restarts. */
export class Served {
  readonly engine: ScriptedEngine;
  readonly #store = memoryStore();
  readonly #hasSockets: boolean;
  readonly #prices: PriceList | undefined;
  readonly #engines: readonly Engine[];
  readonly #sockets = new Set<Socket>();
  readonly #proxy = createServer((near) => this.#forward(near));
  #runtime: Runtime | null = null;
  #target = 0;
  #isFrozen = false;

  private constructor({ hasSockets = true, prices, engines = [] }: ServedOptions) {
    this.#engines = engines;
    this.#hasSockets = hasSockets;
    this.#prices = prices;
    this.engine = scriptedEngine({}, { capabilities: { requests: true, tools: ['read', 'write'] } });
  }

  static async start(t: ExecutionContext, options: ServedOptions = {}): Promise<Served> {
    const served = new Served(options);
    served.#proxy.listen(0, '127.0.0.1');
    await once(served.#proxy, 'listening');
    await served.begin();
    t.teardown(() => served.#dispose());
    return served;
  }

  /** The address for browsers. It stays the same across restarts. */
  get url(): string {
    return `http://127.0.0.1:${(this.#proxy.address() as AddressInfo).port}`;
  }

  get runtime(): Runtime {
    if (!this.#runtime) throw new TypeError('The runtime is stopped');
    return this.#runtime;
  }

  async begin(): Promise<void> {
    const prices = this.#prices;
    const web = http({ port: 0, console: fileURLToPath(assets), ...(prices && { prices }) });
    const runtime = new Runtime({
      engines: this.#engines,
      plugins: [
        web,
        ...(this.#hasSockets ? [wsObservation({ on: web })] : []),
        {
          name: 'under-test',
          apply: (host) => {
            host.useStore(this.#store);
            host.useEngine(this.engine);
          },
        },
      ],
    });
    await runtime.start();
    this.#target = Number(new URL(web.url).port);
    this.#runtime = runtime;
  }

  async stop(): Promise<void> {
    this.#target = 0;
    const runtime = this.#runtime;
    this.#runtime = null;
    await runtime?.stop({ deadlineMs: 2_000 });
  }

  /** Ends all connections. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Delivers nothing in either direction, as a network without a route. */
  freeze(): void {
    this.#isFrozen = true;
    for (const socket of this.#sockets) socket.pause();
  }

  thaw(): void {
    this.#isFrozen = false;
    for (const socket of this.#sockets) socket.resume();
  }

  #forward(near: Socket): void {
    if (this.#target === 0) {
      near.destroy();
      return;
    }
    const far = connect(this.#target, '127.0.0.1');
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(one);
      one.on('data', (bytes) => other.write(bytes));
      one.on('end', () => other.end());
      one.on('error', () => {});
      one.on('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
      if (this.#isFrozen) one.pause();
    }
  }

  async #dispose(): Promise<void> {
    await this.stop();
    this.cut();
    this.#proxy.close();
  }
}
