import { type JsonObject, type Logger, RuntimeError } from '@worker-runtime/core';
import { jsonSchema, type Tool, type ToolSet } from 'ai';
import { modelName } from '../model/model-name.ts';
import type { ResolvedOptions } from '../options.ts';
import type { Secrets } from '../secrets.ts';
import { McpServer } from './mcp-server.ts';

/** A tool that a Worker was granted. */
export interface GrantedTool {
  /** By which it was granted. */
  readonly name: string;
  /** What the model is told of it. */
  readonly told: Tool;
  needsPermission(input: JsonObject, call: string): Promise<boolean>;
  /** @throws ToolFailure a failure that is the model's to know · anything else: it learns only that it failed */
  execute(input: JsonObject, call: string, signal: AbortSignal): Promise<unknown>;
}

/** The tools of one run, by the names that the model uses. */
export interface Grants {
  readonly tools: ReadonlyMap<string, GrantedTool>;
  /** Granted, and not there now. */
  readonly missing: readonly string[];
}

const OFFERABLE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** An execute function may give its answer in pieces: the last one counts. */
const lastOf = async (answer: unknown): Promise<unknown> => {
  if (typeof answer !== 'object' || answer === null || !(Symbol.asyncIterator in answer)) return answer;
  let last: unknown = null;
  for await (const piece of answer as AsyncIterable<unknown>) last = piece;
  return last;
};

const functionTool = (name: string, tool: Tool): GrantedTool => ({
  name,
  told: { description: tool.description, inputSchema: tool.inputSchema } as Tool,
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
      told: { description, inputSchema: jsonSchema(inputSchema) } as Tool,
      needsPermission: async () => server.needsPermission,
      execute: (input: JsonObject, _call: string, signal: AbortSignal) => server.call(name, input, signal),
    }))
    .filter(({ name }) => OFFERABLE.test(name));

/** Every tool that a Worker may be granted by name, and where they come from. */
export class Toolbox {
  readonly #functions: readonly GrantedTool[];
  readonly #servers: readonly McpServer[];

  constructor(options: ResolvedOptions, secrets: Secrets, log: Logger) {
    this.#functions = Object.entries(options.tools).map(([name, tool]) => functionTool(name, tool));
    this.#servers = Object.entries(options.mcpServers).map(
      ([name, server]) => new McpServer(name, server, options, secrets, log),
    );
  }

  /** What is known to be there. */
  get names(): readonly string[] {
    return [...this.#all().keys()].sort();
  }

  /** Connects the servers of such tools. A server that cannot be reached is told about in the log. */
  async reach(names: readonly string[] | 'all'): Promise<readonly RuntimeError[]> {
    const wanted = this.#servers.filter(
      ({ name }) => names === 'all' || names.some((tool) => tool.startsWith(`${name}.`)),
    );
    const outcomes = await Promise.allSettled(wanted.map((server) => server.connect()));
    return outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [RuntimeError.from(outcome.reason)] : [],
    );
  }

  /** @throws CONFIG_UNSUPPORTED two of them would have the same name for the model */
  async grant(names: readonly string[]): Promise<Grants> {
    await this.reach(names);
    const all = this.#all();
    const tools = new Map<string, GrantedTool>();
    const missing: string[] = [];
    for (const name of names) {
      const tool = all.get(name);
      const other = tools.get(modelName(name));
      if (other)
        throw new RuntimeError('CONFIG_UNSUPPORTED', 'Two tools would have the same name for the model', {
          details: { tools: [other.name, name] },
        });
      if (tool) tools.set(modelName(name), tool);
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

/** As the AI SDK tells a model of them; it executes none, so that each call is in the log before it is made. */
export const toldTools = ({ tools }: Grants): ToolSet =>
  Object.fromEntries([...tools].map(([name, { told }]) => [name, told]));
