import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import type { Node } from './generated-values.ts';

interface Media {
  /** The content of a text that consists of many items is an array of them. */
  readonly schema: { readonly contentSchema?: { readonly items: { readonly $ref: string } } };
}
interface Link {
  readonly operationId: string;
  readonly parameters: Readonly<Record<string, string>>;
}
interface Response {
  readonly description: string;
  readonly content?: Readonly<Record<string, Media>>;
  readonly links?: Readonly<Record<string, Link>>;
}
export interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly schema: { readonly pattern?: string };
}
export interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly description: string;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters: readonly Parameter[];
  readonly requestBody?: {
    readonly content: Readonly<Record<string, { readonly schema: { readonly $ref: string } }>>;
  };
  readonly responses: Readonly<Record<string, Response>>;
}
/** A frame of a stream. The data depends on the event. */
interface Frame {
  readonly anyOf: readonly {
    readonly properties: {
      readonly event: { readonly const: string };
      readonly data: { readonly contentSchema: object };
    };
  }[];
}
/** The part of an OpenAPI document that the tests use. */
export interface ContractDocument {
  readonly tags: readonly { readonly name: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Node>> };
}

/**
 * Closes a schema: the tests refuse unknown fields of responses, although clients must tolerate them. A schema without a
 * type only adds to another one.
 */
const strict = (schema: unknown): unknown => {
  if (Array.isArray(schema)) return schema.map(strict);
  if (typeof schema !== 'object' || schema === null) return schema;
  const inner = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, strict(value)]));
  return 'properties' in inner && 'type' in inner && !('additionalProperties' in inner)
    ? { ...inner, additionalProperties: false }
    : inner;
};

type Compile = (schema: object) => ValidateFunction;

const PROBLEM = { $ref: '#/components/schemas/Problem' };

/** The OpenAPI document of a server, against which tests check its answers. */
export class Contract {
  readonly document: ContractDocument;
  /** Compiles a schema of the document, closed to unknown fields. */
  readonly validatorOf: Compile;
  /** Compiles it as a client does. A value that fits one branch of a closed union may fit two of the open one. */
  readonly #openValidatorOf: Compile;
  readonly #ajv = new Ajv2020({ strict: false, allErrors: false });
  readonly #patterns: readonly { readonly path: string; readonly pattern: RegExp }[];

  constructor(document: unknown) {
    this.document = document as ContractDocument;
    this.#ajv.addFormat('date-time', /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/);
    this.validatorOf = this.#compiler('http://strict', strict);
    this.#openValidatorOf = this.#compiler('http://open', (schema) => schema);
    this.#patterns = Object.keys(this.document.paths).map((path) => ({
      path,
      pattern: new RegExp(`^${path.replaceAll('.', '\\.').replace(/\{[a-z]+\}/g, '[^/]+')}$`),
    }));
  }

  /** Returns the schema of this name. */
  schemaOf(name: string): Node {
    return this.document.components.schemas[name] as Node;
  }

  /** Checks a response against the document. @throws Error the document does not describe it */
  assertDescribed(
    method: string,
    url: string,
    { status, headers, text }: { readonly status: number; readonly headers: Headers; readonly text: string },
  ): void {
    const { pathname } = new URL(url);
    const what = `${method} ${pathname} ${status}`;
    const type = (headers.get('content-type') ?? '').split(';', 1)[0] as string;
    if (type === 'application/problem+json' && text !== '') this.#assertFits(what, PROBLEM, JSON.parse(text));
    const operation = this.#operationAt(method, pathname);
    // an unknown path has no operation; its problem was checked above
    if (!operation) return;
    // a plugin may refuse any command with any code, and no read
    if (method === 'GET' && type === 'application/problem+json') {
      const { code } = JSON.parse(text) as { readonly code: string };
      const codes = operation.responses[status]?.description.split(', ') ?? [];
      if (!codes.includes(code)) throw new Error(`${what} has the code ${code}, not one of ${codes.join()}`);
    }
    const { content } = operation.responses[status] ?? (operation.responses.default as Response);
    if (content === undefined) {
      if (text !== '') throw new Error(`${what} has a body`);
      return;
    }
    const media = content[type];
    if (!media) throw new Error(`${what} is ${type}, not one of ${Object.keys(content).join()}`);
    if (text === '' || type === 'text/event-stream') return;
    const line = media.schema.contentSchema?.items;
    if (type.endsWith('json') && !line) this.#assertFits(what, media.schema, JSON.parse(text));
    if (!line) return;
    for (const json of text.split('\n').slice(0, -1)) this.#assertFits(what, line, JSON.parse(json));
  }

  /** Checks the fields of a frame, and returns its data. @throws Error the document does not describe it */
  assertFrame(url: string, fields: ReadonlyMap<string, string>): unknown {
    const { pathname } = new URL(url);
    const media = this.#operationAt('GET', pathname)?.responses[200]?.content?.['text/event-stream'];
    const schema = media?.schema.contentSchema?.items;
    if (!schema) throw new Error(`${pathname} is not a stream`);
    const retry = fields.get('retry');
    const frame = { ...Object.fromEntries(fields), ...(retry !== undefined && { retry: Number(retry) }) };
    this.#assertFits(`A frame of ${pathname}`, schema, frame);
    const event = fields.get('event') ?? 'message';
    const { anyOf } = this.schemaOf(schema.$ref.split('/').at(-1) as string) as Frame;
    const branch = anyOf.find(({ properties }) => properties.event.const === event);
    if (!branch) throw new Error(`The stream ${pathname} has no event ${event}`);
    const data = JSON.parse(fields.get('data') as string);
    this.#assertFits(`The event ${event} of ${pathname}`, branch.properties.data.contentSchema, data);
    return data;
  }

  /** Compiles schemas after a change. Each component is a schema of its own, so that it is compiled once. */
  #compiler(id: string, change: (schema: unknown) => unknown): Compile {
    const changed = (schema: object): object =>
      JSON.parse(JSON.stringify(change(schema)).replaceAll('"#/components/schemas/', `"${id}/`));
    for (const [name, schema] of Object.entries(this.document.components.schemas))
      this.#ajv.addSchema(changed(schema), `${id}/${name}`);
    const compiled = new Map<object, ValidateFunction>();
    return (schema) => {
      const validate = compiled.get(schema) ?? this.#ajv.compile(changed(schema));
      compiled.set(schema, validate);
      return validate;
    };
  }

  #assertFits(what: string, schema: object, value: unknown): void {
    for (const validate of [this.validatorOf(schema), this.#openValidatorOf(schema)])
      if (!validate(value))
        throw new Error(
          `${what} does not fit the document: ${this.#ajv.errorsText(validate.errors)}\n${JSON.stringify(value)}`,
        );
  }

  #operationAt(method: string, pathname: string): Operation | undefined {
    const found = this.#patterns.find(({ pattern }) => pattern.test(pathname));
    return found && this.document.paths[found.path]?.[method === 'HEAD' ? 'get' : method.toLowerCase()];
  }
}
