import type { EmbedderRoute } from '../embedder.ts';
import type { Routes } from './context.ts';

/** Adds the routes of the program that embeds the server. */
export const embedderRoutes =
  (routes: readonly EmbedderRoute[]): Routes =>
  (app) => {
    for (const { method, path: url, permission, query = [], answer } of routes) {
      app.route({
        method,
        url,
        config: { permission, query },
        handler: async (request, reply) => {
          const {
            status,
            headers = {},
            body,
          } = await answer({
            raw: request.raw,
            caller: request.caller,
            from: request.from,
            body: request.body,
            path: request.params as Readonly<Record<string, string>>,
            query: request.query as Readonly<Record<string, string | string[] | undefined>>,
          });
          return reply
            .code(status)
            .headers(headers as Record<string, string>)
            .send(body);
        },
      });
    }
  };
