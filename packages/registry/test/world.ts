import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Limits,
  memoryStore,
  Runtime,
  type RuntimePlugin,
  type RuntimeStore,
} from '@worker-runtime/core';
import { type ScriptedEngine, scriptedEngine } from '@worker-runtime/core/testing';
import { type HttpListener, type HttpOptions, http, type MountHandler } from '@worker-runtime/plugin-http';
import { wsObservation } from '@worker-runtime/plugin-ws';
import { Identity } from '../src/index.ts';
import { Gate } from './gate.ts';

/** A folder of a test with the key of a registry, and the file of issuers that its runtimes read. */
export interface Keys {
  readonly folder: string;
  readonly identity: Identity;
  readonly issuerFile: string;
  readonly remove: () => Promise<void>;
}

export const makeKeys = async (permission: string | readonly string[] = 'admin'): Promise<Keys> => {
  const folder = await mkdtemp(join(tmpdir(), 'registry-'));
  const identity = await Identity.at(join(folder, 'signing.jwk'), 'backend');
  const issuerFile = join(folder, 'issuers.json');
  await writeFile(issuerFile, JSON.stringify([{ ...identity.entry, permission }]));
  return { folder, identity, issuerFile, remove: () => rm(folder, { recursive: true }) };
};

/** One process of a served runtime, on a port of its own. */
class Served {
  readonly runtime: Runtime;
  readonly #web: HttpListener;

  constructor(
    engine: ScriptedEngine,
    store: RuntimeStore,
    { limits = {}, http: options = {}, mount }: RemoteOptions,
  ) {
    const web = http({ port: 0, ...options });
    if (mount) web.mount('notes', 'observe', mount);
    this.#web = web;
    const parts: RuntimePlugin = {
      name: 'under-test',
      apply: (host) => {
        host.useStore(store);
        host.useEngine(engine);
      },
    };
    this.runtime = new Runtime({ plugins: [web, wsObservation({ on: web }), parts], limits });
  }

  get url(): string {
    return this.#web.url;
  }
}

export interface RemoteOptions {
  readonly limits?: Partial<Limits>;
  readonly http?: HttpOptions;
  /** A handler at `x/notes`. */
  readonly mount?: MountHandler;
}

/** A remote runtime behind a gate, which keeps its address and its store across restarts. */
export class RemotePlace {
  readonly engine = scriptedEngine();
  readonly gate: Gate;
  readonly #store = memoryStore();
  readonly #options: RemoteOptions;
  #served: Served | null = null;
  #intruder: Served | null = null;

  private constructor(gate: Gate, options: RemoteOptions) {
    this.gate = gate;
    this.#options = options;
  }

  static async start(options: RemoteOptions = {}): Promise<RemotePlace> {
    const place = new RemotePlace(await Gate.open(), options);
    await place.begin();
    return place;
  }

  get runtime(): Runtime {
    if (this.#served === null) throw new TypeError('The runtime is stopped');
    return this.#served.runtime;
  }

  /** The address of the runtime itself, without the gate. */
  get directUrl(): string {
    return this.#served?.url ?? '';
  }

  async begin(): Promise<void> {
    this.#served = new Served(this.engine, this.#store, this.#options);
    await this.#served.runtime.start();
    this.gate.lead(this.directUrl);
  }

  async stop(): Promise<void> {
    await this.#served?.runtime.stop({ deadlineMs: 2_000 });
    this.#served = null;
    this.gate.lead(null);
  }

  restore(): void {
    this.gate.cut();
    this.gate.lead(this.directUrl);
  }

  /** Serves another runtime at the address. */
  async swap(): Promise<Runtime> {
    this.#intruder = new Served(scriptedEngine(), memoryStore(), this.#options);
    await this.#intruder.runtime.start();
    this.gate.cut();
    this.gate.lead(this.#intruder.url);
    return this.#intruder.runtime;
  }

  async dispose(): Promise<void> {
    await this.gate.close();
    await this.#intruder?.runtime.stop({ deadlineMs: 500 });
    await this.#served?.runtime.stop({ deadlineMs: 500 });
  }
}
