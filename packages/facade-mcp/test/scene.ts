import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import {
  type CallToolResult,
  ElicitRequestSchema,
  type ElicitResult,
} from '@modelcontextprotocol/sdk/types.js';
import type { Script } from '@worker-runtime/core/testing';
import {
  type FacadeOptions,
  type FacadeScene,
  type Place,
  startFacade,
} from '@worker-runtime/test-facades/facade-scene';
import type { ExecutionContext } from 'ava';
import { mcpServer, plugin } from '../src/index.ts';

/** A form as the person of a client sees it. */
export interface SeenForm {
  readonly message: string;
  readonly requestedSchema: { readonly properties: Readonly<Record<string, unknown>> };
}
export type Person = (form: SeenForm, signal: AbortSignal) => ElicitResult | Promise<ElicitResult>;

/** A client of the official SDK, with the text of the progress that it received. */
export interface Connected {
  readonly client: Client;
  readonly transport: StreamableHTTPClientTransport;
  /** Calls a tool. `text` is what the progress said until now. */
  readonly call: (
    name: string,
    args: Record<string, unknown>,
    options?: { readonly signal?: AbortSignal; readonly onText?: (all: string) => void },
  ) => Promise<CallToolResult>;
  /** The text of the progress of the last call. */
  readonly text: string;
}

export interface Scene extends FacadeScene {
  connect(options?: {
    readonly person?: Person;
    readonly headers?: Readonly<Record<string, string>>;
  }): Promise<Connected>;
}

/** Connects a client of the official SDK. */
export const connectTo = async (
  url: string,
  {
    person,
    headers = {},
    fetch: send = fetch,
  }: {
    readonly person?: Person | undefined;
    readonly headers?: Readonly<Record<string, string>>;
    readonly fetch?: typeof fetch;
  } = {},
): Promise<Connected> => {
  const client = new Client(
    { name: 'test', version: '1' },
    { capabilities: person ? { elicitation: { form: {} } } : {} },
  );
  if (person)
    client.setRequestHandler(ElicitRequestSchema, ({ params }, { signal }) =>
      person(params as unknown as SeenForm, signal),
    );
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    fetch: send as NonNullable<ConstructorParameters<typeof StreamableHTTPClientTransport>[1]>['fetch'] & {},
    requestInit: { headers },
    reconnectionOptions: {
      maxRetries: 0,
      initialReconnectionDelay: 10,
      maxReconnectionDelay: 10,
      reconnectionDelayGrowFactor: 1,
    },
  });
  await client.connect(transport as Transport);
  let text = '';
  return {
    client,
    transport,
    async call(name, args, { signal, onText } = {}) {
      text = '';
      return (await client.callTool({ name, arguments: args }, undefined, {
        timeout: 60_000,
        ...(signal && { signal }),
        onprogress: ({ message = '' }) => {
          text += message;
          onText?.(text);
        },
      })) as CallToolResult;
    },
    get text() {
      return text;
    },
  };
};

const FACADE = { name: 'mcp', plugin, handlerOf: mcpServer };

/** Starts a runtime with the Worker `ada`, and the façade at one place. */
export const start = async (
  t: ExecutionContext,
  place: Place,
  script: Script,
  options: FacadeOptions = {},
): Promise<Scene> => {
  const scene = await startFacade(t, place, script, FACADE, options);
  return {
    ...scene,
    connect: ({ person, headers = {} } = {}) => connectTo(scene.url, { person, headers, fetch: scene.fetch }),
  };
};

/** Returns the text blocks of a result, joined. */
export const textOf = ({ content }: CallToolResult): string =>
  content.flatMap((block) => (block.type === 'text' ? [block.text] : [])).join('');
