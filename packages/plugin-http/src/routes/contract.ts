import type { RouteTable } from '../route-table.ts';
import { docsPage } from '../schema/docs-page.ts';
import { openApiDocument } from '../schema/document.ts';
import { JSON_TYPE } from '../wire/accept.ts';
import type { Routes } from './context.ts';

/** A page of our own words that loads nothing: whatever it might be made to show cannot run. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";

/** The contract: the same for whoever asks, so that a client can be made before it has a token. */
export const contractRoutes =
  (table: RouteTable): Routes =>
  (app, { runtime }) => {
    let made: { readonly json: string; readonly html: string } | null = null;
    // made when it is first asked for: by then all routes are there
    const contract = () => {
      if (made === null) {
        const document = openApiDocument(table.routes, runtime.limits);
        made = { json: JSON.stringify(document), html: docsPage(document) };
      }
      return made;
    };
    const config = { permission: 'public', isAlwaysServed: true } as const;
    app.get('/openapi.json', { config }, async (_request, reply) =>
      reply.type(JSON_TYPE).send(contract().json),
    );
    app.get('/docs', { config }, async (_request, reply) =>
      reply.header('content-security-policy', POLICY).type('text/html; charset=utf-8').send(contract().html),
    );
  };
