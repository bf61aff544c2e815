import { type RuntimeClient, runtimeClient } from '@worker-runtime/client';
import { Runtime, type RuntimePlugin } from '@worker-runtime/core';
import { type Script, type ScriptedEngine, scriptedEngine } from '@worker-runtime/core/testing';
import { type HttpOptions, http, type MountPlace } from '@worker-runtime/plugin-http';
import type { ExecutionContext } from 'ava';

/** The ways to reach a façade: in the same program, mounted on a server, and in a gateway to a server. */
export const PLACES = ['embedded', 'mounted', 'gateway'] as const;
export type Place = (typeof PLACES)[number];

/** A façade as its package exports it. */
export interface Facade {
  /** The name below `x/`. */
  readonly name: string;
  readonly plugin: () => RuntimePlugin & { mountOn(place: MountPlace): void };
  readonly handlerOf: (runtime: Runtime | RuntimeClient) => (request: Request) => Promise<Response>;
}

export interface FacadeOptions {
  readonly http?: HttpOptions;
  readonly plugins?: readonly RuntimePlugin[];
}

export interface FacadeScene {
  readonly runtime: Runtime;
  readonly engine: ScriptedEngine;
  /** The address of the façade. */
  readonly url: string;
  /** Sends a request to the façade. */
  readonly fetch: typeof fetch;
}

/** Starts a runtime with the Worker `ada`, and a façade at one place. The tests of all façades use it. */
export const startFacade = async (
  t: ExecutionContext,
  place: Place,
  script: Script,
  { name, plugin, handlerOf }: Facade,
  { http: options, plugins = [] }: FacadeOptions = {},
): Promise<FacadeScene> => {
  const engine = scriptedEngine(script);
  const web = http({ port: 0, ...options });
  const facade = plugin();
  facade.mountOn(web);
  const scripted: RuntimePlugin = { name: 'scripted', apply: (host) => host.useEngine(engine) };
  const runtime = await Runtime.start({ plugins: [web, facade, scripted, ...plugins] });
  t.teardown(() => runtime.stop({ deadlineMs: 500 }));
  await runtime.createWorker({ engine: 'scripted', workerId: 'ada' });
  if (place === 'mounted') return { runtime, engine, url: `${web.url}/v1/runtimes/self/x/${name}`, fetch };
  const handler = handlerOf(place === 'embedded' ? runtime : runtimeClient({ url: web.url }));
  return {
    runtime,
    engine,
    url: 'http://façade.example/api',
    fetch: async (input, init) => handler(new Request(input, init)),
  };
};

/** Resolves when the log of `ada` has a later event. */
export const logged = async (
  { runtime }: Pick<FacadeScene, 'runtime'>,
  after: number,
  type?: string,
): Promise<void> => {
  for await (const item of runtime.observe('ada', { after: after === 0 ? 'start' : `@${after}` }))
    if (item.type === 'event' && (type ?? item.event.type) === item.event.type) return;
};
