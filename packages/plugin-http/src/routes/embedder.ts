import type { EmbedderRoute } from '../embedder.ts';
import type { Routes } from './context.ts';

/** Adds the routes of the program that embeds the server. */
export const embedderRoutes =
  (routes: readonly EmbedderRoute[]): Routes =>
  (app) => {
    for (const { method, path, permission, query = [], answer } of routes) {
      app.on(method, path, { permission, query }, async (request, reply) => {
        const { raw, caller, from, body: sent, params } = request;
        const {
          status,
          headers = {},
          body,
        } = await answer({ raw, caller, from, body: sent, path: params, query: request.query });
        return reply
          .code(status)
          .headers(headers as Record<string, string>)
          .send(body);
      });
    }
  };
