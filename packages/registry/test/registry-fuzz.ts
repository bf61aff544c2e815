import { RuntimeError, silentLogger } from '@worker-runtime/core';
import { isPermission, UNLIMITED } from '@worker-runtime/core/scope';
import { bearerTokenOf, type Caller, HttpServer, http } from '@worker-runtime/plugin-http';
import { SECRET, testFuzz } from '@worker-runtime/test-http/fuzz';
import { Registry } from '../src/index.ts';
import { OWNER } from './hop.ts';

const identify = (request: Parameters<typeof bearerTokenOf>[0]): Caller => {
  const permission = bearerTokenOf(request, false)?.slice(`${SECRET}-`.length);
  if (!isPermission(permission)) throw new RuntimeError('UNAUTHENTICATED');
  return { ...OWNER, scope: { ...UNLIMITED, permissions: [permission] } };
};

/** Declares a test with `count` requests of every kind to plugin-http, which pass through a registry. */
export const testRegistryFuzz = (title: string, count: number): void =>
  testFuzz(title, count, {
    http,
    front: async (t, { url, runtimeId }) => {
      const registry = new Registry([{ name: 'far', url, runtimeId, auth: { token: `${SECRET}-admin` } }]);
      const server = new HttpServer(registry, { port: 0 }, silentLogger);
      await server.listen({ isOpen: false, identify, identifyUpgrade: identify });
      t.teardown(async () => {
        await server.close();
        registry.close();
      });
      return { url: server.url, runtimeId };
    },
  });
