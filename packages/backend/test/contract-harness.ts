import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type ClientOptions, runtimeClient } from '@worker-runtime/client';
import type { RuntimeApi, RuntimePlugin } from '@worker-runtime/core';
import { type RuntimeApiHarness, scriptedEngine } from '@worker-runtime/core/testing';
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

/** Creates a backend for the contract kit, and a client with an API token for a workspace of it. */
export const contractHarness = async (
  workspace: string | null,
  options: Partial<ClientOptions>,
): Promise<RuntimeApiHarness> => {
  const dataDir = await mkdtemp(join(tmpdir(), 'worker-runtime-backend-'));
  const engine = scriptedEngine();
  const scripted: RuntimePlugin = { name: 'scripted', apply: (host) => host.useEngine(engine) };
  const front = new Front();
  const origin = await front.open();
  const begin = async (): Promise<Backend> => {
    const begun = await Backend.start({
      listen: { port: 0 },
      dataDir,
      workspaces: {
        [workspace ?? 'default']: {
          plugins: [scripted],
          limits: { stopDeadlineMs: 2_000, shutdownDeadlineMs: 6_000 },
        },
      },
    });
    front.port = Number(new URL(begun.url).port);
    return begun;
  };
  let backend = await begin();
  const token = await (await Browser.login(backend)).token();
  const url = `${origin}${workspace === null ? '' : `/w/${workspace}`}`;
  const api = anonymous(runtimeClient({ url, token, ...options }));
  return {
    api,
    engine,
    restart: async () => {
      await backend.stop();
      backend = await unlocked(begin);
      await api.summary();
      return api;
    },
    dispose: async () => {
      await backend.stop();
      front.close();
      // a store with thousands of Workers may still be closing
      await rm(dataDir, { recursive: true, force: true, maxRetries: 20 });
    },
  };
};
