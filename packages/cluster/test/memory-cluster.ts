import type { Limits, RuntimeStore } from '@worker-runtime/core';
import { memoryStore } from '@worker-runtime/core';
import { type Script, type ScriptedEngine, scriptedEngine } from '@worker-runtime/core/testing';
import { MemoryMembership } from '../src/index.ts';
import { MemoryHost } from './memory-host.ts';

/** Returns a store with an id that the membership has chosen, as a database does. */
const storeWithId = (runtimeId: string): RuntimeStore => {
  const store = memoryStore();
  const open = store.open.bind(store);
  store.open = async (host) => ({ ...(await open(host)), runtimeId });
  return store;
};

/** Hosts in the process of a test, with Runtimes in memory. */
export class MemoryCluster {
  readonly membership = new MemoryMembership();
  readonly engine: ScriptedEngine;
  readonly hosts: MemoryHost[] = [];
  readonly #stores = new Map<string, RuntimeStore>();
  readonly #limits: Partial<Limits>;

  constructor(script: Script = {}, limits: Partial<Limits> = {}) {
    this.engine = scriptedEngine(script);
    this.#limits = limits;
  }

  /** Makes a Runtime. Returns its id. */
  async make(name: string, pinnedTo: string | null = null): Promise<string> {
    const { runtimeId } = await this.membership.create(name, pinnedTo);
    this.#stores.set(name, storeWithId(runtimeId));
    return runtimeId;
  }

  async join(name: string, issuerFile?: string, leaseMs?: number): Promise<MemoryHost> {
    const { membership, engine } = this;
    const of = { name, membership, stores: this.#stores, engine, limits: this.#limits };
    const host = new MemoryHost(leaseMs === undefined ? of : { ...of, leaseMs });
    this.hosts.push(host);
    await host.start(issuerFile);
    return host;
  }

  async dispose(): Promise<void> {
    await Promise.all(this.hosts.map((host) => host.close()));
  }
}
