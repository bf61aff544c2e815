import { type JsonObject, type Logger, RuntimeError } from '@worker-runtime/core';
import { jsonSchema, type Tool, type ToolSet } from 'ai';
import { toolNameForModel } from '../model/model-step.ts';
import type { ResolvedOptions } from '../options.ts';
import type { Secrets } from '../secrets.ts';
import { McpServer } from './mcp-server.ts';

/** A tool that a Worker was granted. */
export interface GrantedTool {
  /** The name under which it was granted. */
  readonly name: string;
  /** The definition for the model, which has no execute function. */
  readonly definition: Tool;
  needsPermission(input: JsonObject, call: string): Promise<boolean>;
  /** @throws ToolFailure its message is for the model · anything else: the model learns only that the call failed */
  execute(input: JsonObject, call: string, signal: AbortSignal): Promise<unknown>;
}

/** The granted tools of one run. */
export interface GrantedTools {
  /** The available tools, by the names that the model uses. */
  readonly tools: ReadonlyMap<string, GrantedTool>;
  /** The names of the tools that are granted but not available. */
  readonly missing: readonly string[];
}

/** The names under which tools can be granted. Tools of servers with other names are left out. */
const GRANTABLE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** Resolves an answer of an execute function. If it is a stream of results, the last one counts. */
const lastOf = async (answer: unknown): Promise<unknown> => {
  if (typeof answer !== 'object' || answer === null || !(Symbol.asyncIterator in answer)) return answer;
  let last: unknown = null;
  for await (const result of answer as AsyncIterable<unknown>) last = result;
  return last;
};

const functionTool = (name: string, tool: Tool): GrantedTool => ({
  name,
  definition: { description: tool.description, inputSchema: tool.inputSchema } as Tool,
  needsPermission: async (input, call) => {
    const { needsApproval = false } = tool;
    return typeof needsApproval === 'function'
      ? needsApproval(input, { toolCallId: call, messages: [] })
      : needsApproval;
  },
  execute: async (input, call, signal) =>
    lastOf(await tool.execute?.(input, { toolCallId: call, messages: [], abortSignal: signal })),
});

const mcpTools = (server: McpServer): readonly GrantedTool[] =>
  server.tools
    .map(({ name, description, inputSchema }) => ({
      name: `${server.name}.${name}`,
      definition: { description, inputSchema: jsonSchema(inputSchema) } as Tool,
      needsPermission: async () => server.needsPermission,
      execute: (input: JsonObject, _call: string, signal: AbortSignal) => server.call(name, input, signal),
    }))
    .filter(({ name }) => GRANTABLE_NAME.test(name));

/** All tools that a Worker can be granted: the functions of the embedder and the tools of the servers. */
export class Toolbox {
  readonly #functions: readonly GrantedTool[];
  readonly #servers: readonly McpServer[];

  constructor(options: ResolvedOptions, secrets: Secrets, log: Logger) {
    this.#functions = Object.entries(options.tools).map(([name, tool]) => functionTool(name, tool));
    this.#servers = Object.entries(options.mcpServers).map(
      ([name, server]) => new McpServer(name, server, options, secrets, log),
    );
  }

  /** The names of all known tools. */
  get names(): readonly string[] {
    return [...this.#all().keys()].sort();
  }

  /** Connects the servers of tools. Logs and returns the errors of servers that cannot be reached. */
  async connect(names: readonly string[] | 'all'): Promise<readonly RuntimeError[]> {
    const wanted = this.#servers.filter(
      ({ name }) => names === 'all' || names.some((tool) => tool.startsWith(`${name}.`)),
    );
    const outcomes = await Promise.allSettled(wanted.map((server) => server.connect()));
    return outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [RuntimeError.from(outcome.reason)] : [],
    );
  }

  /** Returns tools by name. @throws CONFIG_UNSUPPORTED two of them have the same name for the model */
  async grant(names: readonly string[]): Promise<GrantedTools> {
    await this.connect(names);
    const all = this.#all();
    const tools = new Map<string, GrantedTool>();
    const missing: string[] = [];
    for (const name of names) {
      const tool = all.get(name);
      const other = tools.get(toolNameForModel(name));
      if (other)
        throw new RuntimeError('CONFIG_UNSUPPORTED', 'Two granted tools have the same name for the model', {
          details: { tools: [other.name, name] },
        });
      if (tool) tools.set(toolNameForModel(name), tool);
      else missing.push(name);
    }
    return { tools, missing };
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#servers.map((server) => server.close()));
  }

  #all(): ReadonlyMap<string, GrantedTool> {
    const all = [...this.#functions, ...this.#servers.flatMap(mcpTools)];
    return new Map(all.map((tool) => [tool.name, tool]));
  }
}

/**
 * Returns the tools for a request. The AI SDK does not execute them, so that each call is recorded before it is made.
 */
export const toolDefinitions = ({ tools }: GrantedTools): ToolSet =>
  Object.fromEntries([...tools].map(([name, { definition }]) => [name, definition]));
