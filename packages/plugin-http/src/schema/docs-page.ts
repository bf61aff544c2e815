import type { JsonValue } from '@worker-runtime/core';
import type { JsonSchema } from './json-schema.ts';

type Json = Readonly<Record<string, JsonValue>>;

const escaped = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

const escapedText = (value: JsonValue | undefined): string =>
  typeof value === 'string' ? escaped(value) : '';

/** Escapes a description and marks up its `code`. */
const prose = (value: JsonValue | undefined): string =>
  escapedText(value).replace(/`([^`]+)`/g, '<code>$1</code>');

const entries = (value: JsonValue | undefined): readonly (readonly [string, Json])[] =>
  Object.entries((value ?? {}) as Readonly<Record<string, Json>>);

/** Formats JSON with its references as links. */
const code = (value: JsonValue | undefined): string =>
  escaped(JSON.stringify(value, null, 2) ?? '').replace(
    /&#34;\$ref&#34;: &#34;#\/components\/schemas\/([A-Za-z]+)&#34;/g,
    '<a href="#$1">$1</a>',
  );

const parameterRow = ({ name, in: location, required, description, schema }: Json): string =>
  `<tr><td><code>${escapedText(name)}</code></td><td>${escapedText(location)}${required === true ? ', required' : ''}</td><td>${prose(description)} <code>${escaped(JSON.stringify(schema))}</code></td></tr>`;

const schemaNames = (content: JsonValue | undefined): string =>
  entries(content)
    .map(([type, media]) => {
      const names = new Set(
        [...JSON.stringify(media).matchAll(/#\/components\/schemas\/([A-Za-z]+)/g)].map(([, name]) => name),
      );
      const links = [...names].map((name) => `<a href="#${name}">${name}</a>`).join(', ');
      return `<div><code>${escaped(type)}</code> ${links}</div>`;
    })
    .join('');

const responseRow = ([status, response]: readonly [string, Json]): string =>
  `<tr><td>${escaped(status)}</td><td>${prose(response.description)}${schemaNames(response.content)}</td></tr>`;

const operationSection = (path: string, method: string, operation: Json): string => {
  const { summary, description, operationId, parameters, requestBody, responses } = operation;
  const permission = operation['x-permission'] ?? 'none';
  const rows = (parameters as readonly Json[]).map(parameterRow).join('');
  const body = requestBody === undefined ? '' : schemaNames((requestBody as Json).content);
  return `<section id="${escapedText(operationId)}"><h3><b>${method.toUpperCase()}</b> <code>${escaped(path)}</code></h3>
<p>${prose(summary)}. ${prose(description)}</p><p class="permission">permission: ${escapedText(permission)}</p>
${rows === '' ? '' : `<table>${rows}</table>`}${body === '' ? '' : `<h4>Body</h4>${body}`}
<details><summary>Responses</summary><table>${entries(responses).map(responseRow).join('')}</table></details></section>`;
};

const STYLE = `:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem}
code,pre{font:14px/1.4 ui-monospace,monospace}pre{overflow:auto;padding:.5rem;border:1px solid #8884}
section{border-top:1px solid #8884}table{border-collapse:collapse;width:100%}td{padding:.2rem .5rem;border-bottom:1px solid #8883;vertical-align:top}
h3{margin-bottom:.2rem}.permission{opacity:.7;margin:0}nav{columns:2}`;

/** Renders an OpenAPI document as one HTML page that needs no scripts and no other files. */
export const docsPage = (document: JsonSchema): string => {
  const { info, paths, components } = document as Readonly<Record<string, Json>>;
  const operations = entries(paths).flatMap(([path, methods]) =>
    entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const index = operations
    .map(
      ({ path, method, operation }) =>
        `<div><a href="#${escapedText(operation.operationId)}"><code>${method.toUpperCase()} ${escaped(path)}</code></a></div>`,
    )
    .join('');
  const schemas = entries(components?.schemas)
    .map(
      ([name, schema]) =>
        `<section id="${escaped(name)}"><h3>${escaped(name)}</h3><p>${prose(schema.description)}</p><pre>${code(schema)}</pre></section>`,
    )
    .join('');
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${prose(info?.title)} ${prose(info?.version)}</title><style>${STYLE}</style></head><body>
<h1>${prose(info?.title)} ${prose(info?.version)}</h1><p>${prose(info?.description)} This page is also available <a href="openapi.json">as OpenAPI</a>.</p>
<nav>${index}</nav><h2>Operations</h2>${operations.map(({ path, method, operation }) => operationSection(path, method, operation)).join('\n')}
<h2>Schemas</h2>${schemas}</body></html>
`;
};
