import type { Embedder } from '../embedder.ts';
import { prefixOf } from '../request-target.ts';
import type { RouteTable } from '../route-table.ts';
import { docsPage } from '../schema/docs-page.ts';
import { OPENAPI_VERSIONS, openApiDocument } from '../schema/document.ts';
import { JSON_TYPE } from '../wire/accept.ts';
import { Query } from '../wire/query.ts';
import type { Routes } from './context.ts';

/** Blocks scripts and loads: the page needs neither, so injected markup could not run anything. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";

/** The begin of the servers in the document. */
const ROOT_SERVER = '"servers":[{"url":"/"';

/** Adds the OpenAPI document and its page. Both are public, so that a client can be generated without a token. */
export const contractRoutes =
  (table: RouteTable, embedder: Embedder = {}): Routes =>
  (app, { directory }) => {
    const built = new Map<string, string>();
    /** Builds a text on first use, when all routes are declared. */
    const once = (name: string, build: () => string): string => {
      const text = built.get(name) ?? build();
      built.set(name, text);
      return text;
    };
    const options = { permission: 'public', isAlwaysServed: true } as const;
    app.get('/openapi.json', { ...options, query: ['version'] }, async (request, reply) => {
      const version = new Query(request).oneOf('version', OPENAPI_VERSIONS) ?? '3.1';
      const build = () => JSON.stringify(openApiDocument(table.routes, directory.limits, version, embedder));
      const document = once(version, build);
      const prefix = prefixOf(request.raw);
      // the server of a document below a prefix is below it, too
      const text =
        prefix === ''
          ? document
          : document.replace(ROOT_SERVER, `"servers":[{"url":${JSON.stringify(prefix)}`);
      return reply.type(JSON_TYPE).send(text);
    });
    app.get('/docs', options, async (_request, reply) => {
      const html = once('docs', () =>
        docsPage(openApiDocument(table.routes, directory.limits, '3.1', embedder)),
      );
      return reply.header('content-security-policy', POLICY).type('text/html; charset=utf-8').send(html);
    });
  };
