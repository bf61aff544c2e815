import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type ClientOptions, runtimeClient } from '@worker-runtime/client';
import { Runtime, type RuntimeApi, type RuntimePlugin } from '@worker-runtime/core';
import { type RuntimeApiHarness, scriptedEngine, type TestFunction } from '@worker-runtime/core/testing';
import { fsStore } from '@worker-runtime/plugin-fs-store';
import { http } from '@worker-runtime/plugin-http';
import { wsObservation } from '@worker-runtime/plugin-ws';
import { Identity } from '@worker-runtime/registry';
import { WebSocket as WsWebSocket } from 'ws';
import { Backend } from '../src/index.ts';
import { Browser } from './scene.ts';

/** An address that stays the same while backends behind it come and go. */
class Front {
  port = 0;
  readonly #server = createServer((near) => {
    const far = connect(this.port, '127.0.0.1');
    near.pipe(far).pipe(near);
    near.on('error', () => {});
    far.on('error', () => {});
    // what has arrived still goes out
    near.on('close', () => far.destroySoon());
    far.on('close', () => near.destroySoon());
  });

  async open(): Promise<string> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.close();
  }
}

/** Removes what only identified callers have: the name of the actor, and the labels of the backend. */
const withoutCaller = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(withoutCaller);
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  const { actor: _actor, ...rest } = value as Readonly<Record<string, unknown>>;
  return Object.fromEntries(
    Object.entries(rest).map(([name, part]) => {
      if (name !== 'labels') return [name, withoutCaller(part)];
      const {
        owner: _owner,
        workspace: _workspace,
        ...labels
      } = Object(part) as Readonly<Record<string, unknown>>;
      return [name, labels];
    }),
  );
};

async function* itemsWithoutCaller(items: AsyncIterable<unknown>): AsyncGenerator {
  for await (const item of items) yield withoutCaller(item);
}

/** Returns an API whose answers are those for an anonymous caller. */
const anonymous = (api: RuntimeApi): RuntimeApi =>
  new Proxy(api, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      return (...given: unknown[]): unknown => {
        const result: unknown = Reflect.apply(member, target, given);
        return result instanceof Promise
          ? result.then(withoutCaller)
          : itemsWithoutCaller(result as AsyncIterable<unknown>);
      };
    },
  });

/** Starts as a supervisor does: a store that takes longer to close than the stop may take is still locked for a moment. */
const unlocked = async (begin: () => Promise<Backend>): Promise<Backend> => {
  for (;;) {
    try {
      return await begin();
    } catch (error) {
      if ((error as { readonly code?: unknown }).code !== 'STORE_LOCKED') throw error;
      await delay(50);
    }
  }
};

const BUNDLES = 'bundles belong to the whole runtime';
const CHILDREN = 'a child of an engine has no label of the workspace';
const PAGES = 'a page of a scope may have fewer items';
const WATCHES = 'a watch of a scope begins again';

/** Tests about a whole runtime. Workspaces share a remote one, and have the contract of scopes there. */
const OF_WHOLE_RUNTIMES: Readonly<Record<string, string>> = {
  'P18: an unknown engine, profile, bundle, tool, key or parent is refused, without a default': BUNDLES,
  'a bundle is stored by the digest of its canonical JSON, and may be put repeatedly': BUNDLES,
  'a profile sets the engine and, unless the request has one, the config, but grants no tools': BUNDLES,
  "P2: overlapping write claims are refused, except a child's that its parent's engine creates, until the holder stops":
    CHILDREN,
  'a Worker that an engine creates is a child of the Worker that runs it': CHILDREN,
  'the open requests of all Workers are one list, oldest first, in pages of any size': PAGES,
  'diagnostics are listed newest first, in pages of any size': PAGES,
  'P6: a watch from the cursor of a list continues without gap or repetition': WATCHES,
  'P6: a watch that is interrupted at any moment resumes from its cursor': WATCHES,
  'P12: a watch from a cursor of before a restart begins with `reset` and all Workers': WATCHES,
};

/** Declares the tests of the contract that hold for a part of a runtime. */
export const forPartOf = (test: TestFunction): TestFunction =>
  Object.assign(
    (title: string, run: Parameters<TestFunction>[1]): void => {
      const reason = OF_WHOLE_RUNTIMES[title];
      if (reason === undefined) test(title, run);
      else test.skip(`${title} (skipped: ${reason})`, async () => {});
    },
    { skip: test.skip },
  );

const LIMITS = { stopDeadlineMs: 2_000, shutdownDeadlineMs: 6_000 };

/** A runtime outside of the backend, which accepts its identity. */
const startOutside = async (dataDir: string, engine: RuntimePlugin) => {
  await mkdir(join(dataDir, 'backend'), { recursive: true });
  const identity = await Identity.at(join(dataDir, 'backend', 'signing.jwk'), 'backend');
  const issuerFile = join(dataDir, 'issuers.json');
  await writeFile(issuerFile, JSON.stringify([{ ...identity.entry, permission: 'admin' }]), { mode: 0o600 });
  const web = http({ port: 0, issuerFile });
  const store = fsStore({ dir: join(dataDir, 'outside') });
  const plugins = [store, web, wsObservation({ on: web }), engine];
  const runtime = await Runtime.start({ plugins, limits: LIMITS });
  return { runtime, url: web.url };
};

/** The part of the matrix that a contract test is about. */
export interface Way {
  /** The workspace in the path; null for the one without a prefix. */
  readonly workspace: string | null;
  readonly runtime: 'embedded' | 'remote';
  readonly credential: 'token' | 'session';
  readonly stream: 'socket' | 'sse';
}

/** A WebSocket of a page: a browser sends its cookie and its origin by itself. */
const socketOf = (headers: Readonly<Record<string, string>>): typeof WebSocket =>
  class extends WsWebSocket {
    constructor(url: string | URL, protocols?: string | string[]) {
      super(url, protocols, { headers });
    }
  } as unknown as typeof WebSocket;

/** Returns how a client authenticates: with a token, or like a page with the cookie of its session. */
const credentialOf = async (
  browser: Browser,
  origin: string,
  { credential, stream }: Way,
): Promise<Partial<ClientOptions>> => {
  if (credential === 'token')
    return {
      token: await browser.token(),
      webSocket: stream === 'sse' ? null : (WsWebSocket as unknown as typeof WebSocket),
    };
  const own = { cookie: browser.cookie, origin };
  return {
    webSocket: stream === 'sse' ? null : socketOf(own),
    fetch: (input, init) =>
      fetch(input, { ...init, headers: { ...Object.fromEntries(new Headers(init?.headers)), ...own } }),
  };
};

/** Creates a backend for the contract kit, and a client for a workspace of it. */
export const contractHarness = async (way: Way): Promise<RuntimeApiHarness> => {
  const { workspace } = way;
  const dataDir = await mkdtemp(join(tmpdir(), 'worker-runtime-backend-'));
  const engine = scriptedEngine();
  const scripted: RuntimePlugin = { name: 'scripted', apply: (host) => host.useEngine(engine) };
  const front = new Front();
  const origin = await front.open();
  let outside = null as Awaited<ReturnType<typeof startOutside>> | null;
  const begin = async (): Promise<Backend> => {
    if (way.runtime === 'remote') outside ??= await startOutside(dataDir, scripted);
    const begun = await Backend.start({
      listen: { port: 0 },
      dataDir,
      workspaces: {
        [workspace ?? 'default']: {
          plugins: outside === null ? [scripted] : [],
          limits: LIMITS,
        },
      },
      runtimes:
        outside === null ? [] : [{ name: 'gpu-1', url: outside.url, runtimeId: outside.runtime.runtimeId }],
    });
    front.port = Number(new URL(begun.url).port);
    return begun;
  };
  let backend = await begin();
  const browser = await Browser.login(backend);
  const url = `${origin}${workspace === null ? '' : `/w/${workspace}`}`;
  const runtime = outside === null ? {} : { runtime: outside.runtime.runtimeId };
  const api = anonymous(runtimeClient({ url, ...runtime, ...(await credentialOf(browser, origin, way)) }));
  return {
    api,
    engine,
    restart: async () => {
      // first the runtime: the closing frames of its streams pass through the backend
      await outside?.runtime.stop();
      await backend.stop();
      outside = null;
      backend = await unlocked(begin);
      await api.summary();
      return api;
    },
    dispose: async () => {
      await backend.stop();
      await outside?.runtime.stop();
      front.close();
      // a store with thousands of Workers may still be closing
      await rm(dataDir, { recursive: true, force: true, maxRetries: 20 });
    },
  };
};
