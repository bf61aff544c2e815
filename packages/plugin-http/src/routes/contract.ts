import type { RouteTable } from '../route-table.ts';
import { docsPage } from '../schema/docs-page.ts';
import { openApiDocument } from '../schema/document.ts';
import { JSON_TYPE } from '../wire/accept.ts';
import type { Routes } from './context.ts';

/** Blocks scripts and loads: the page needs neither, so injected markup could not run anything. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";

/** Adds the OpenAPI document and its page. Both are public, so that a client can be generated without a token. */
export const contractRoutes =
  (table: RouteTable): Routes =>
  (app, { runtime }) => {
    let built: { readonly json: string; readonly html: string } | null = null;
    // built on first use, when all routes are declared
    const contract = () => {
      if (built === null) {
        const document = openApiDocument(table.routes, runtime.limits);
        built = { json: JSON.stringify(document), html: docsPage(document) };
      }
      return built;
    };
    const config = { permission: 'public', isAlwaysServed: true } as const;
    app.get('/openapi.json', { config }, async (_request, reply) =>
      reply.type(JSON_TYPE).send(contract().json),
    );
    app.get('/docs', { config }, async (_request, reply) =>
      reply.header('content-security-policy', POLICY).type('text/html; charset=utf-8').send(contract().html),
    );
  };
