import { type JsonObject, type Logger, RuntimeError } from '@worker-runtime/core';
import { jsonSchema, type Tool, type ToolSet } from 'ai';
import { toolNameForModel } from '../model/model-step.ts';
import type { ResolvedOptions } from '../options.ts';
import type { Secrets } from '../secrets.ts';
import type { Form, FormAnswer } from './form.ts';
import { McpServer } from './mcp-server.ts';
import { modelOutputResult } from './model-output.ts';
import type { ToolCaller } from './tool-caller.ts';

/** The circumstances of a tool call. */
interface CallOptions {
  readonly call: string;
  readonly caller: ToolCaller;
  readonly signal: AbortSignal;
}

/** The circumstances of a call that is made. */
interface ExecuteOptions extends CallOptions {
  /** Asks people to fill in a form of a tool server. */
  ask(form: Form): Promise<FormAnswer>;
}

/** A tool that a Worker was granted. */
export interface GrantedTool {
  /** The name under which it was granted. */
  readonly name: string;
  /** The definition for the model, which has no execute function. */
  readonly definition: Tool;
  needsPermission(input: JsonObject, options: CallOptions): Promise<boolean>;
  /** @throws ToolFailure its message is for the model · anything else: the model learns only that the call failed */
  execute(input: JsonObject, options: ExecuteOptions): Promise<unknown>;
}

/** The granted tools of one run. */
export interface GrantedTools {
  /** The available tools, by the names that the model uses. */
  readonly tools: ReadonlyMap<string, GrantedTool>;
  /** The names of the tools that are granted but not available. */
  readonly missing: readonly string[];
  /** The Worker and the run for which they are called. */
  readonly caller: ToolCaller;
}

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
  needsPermission: async (input, { call, caller }) => {
    const { needsApproval = false } = tool;
    return typeof needsApproval === 'function'
      ? needsApproval(input, { toolCallId: call, messages: [], experimental_context: caller })
      : needsApproval;
  },
  execute: async (input, { call, caller, signal }) => {
    const output = await lastOf(
      await tool.execute?.(input, {
        toolCallId: call,
        messages: [],
        abortSignal: signal,
        experimental_context: caller,
      }),
    );
    return tool.toModelOutput
      ? modelOutputResult(await tool.toModelOutput({ toolCallId: call, input, output }))
      : output;
  },
});

const mcpTools = (server: McpServer): readonly GrantedTool[] =>
  [...server.tools.values()].map(({ name, description, inputSchema }) => ({
    name: `${server.name}.${name}`,
    definition: { description, inputSchema: jsonSchema(inputSchema) } as Tool,
    needsPermission: async () => server.needsPermission,
    execute: (input: JsonObject, options: ExecuteOptions) => server.call(name, input, options),
  }));

/** Resolves with a promise, or rejects when the signal fires. */
const orAborted = async (promise: Promise<unknown>, signal: AbortSignal): Promise<void> => {
  signal.throwIfAborted();
  let abort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
  });
  signal.addEventListener('abort', abort, { once: true });
  await Promise.race([promise, aborted]).finally(() => signal.removeEventListener('abort', abort));
};

/**
 * Returns the variables by which the processes of a tool server are found after a kill of the runtime. Resolves when those of an earlier
 * process of the runtime have ended.
 */
type Mark = (server: string) => Promise<Readonly<Record<string, string>>>;

/** All tools that a Worker can be granted: the functions of the embedder and the tools of the servers. */
export class Toolbox {
  readonly #functions: readonly GrantedTool[];
  readonly #servers: readonly McpServer[];

  constructor(options: ResolvedOptions, secrets: Secrets, log: Logger, mark: Mark = async () => ({})) {
    this.#functions = Object.entries(options.tools).map(([name, tool]) => functionTool(name, tool));
    this.#servers = Object.entries(options.mcpServers).map(
      ([name, server]) => new McpServer(name, server, options, secrets, log, () => mark(name)),
    );
  }

  /** The names of all known tools. */
  get names(): readonly string[] {
    return [...this.#all().keys()].sort();
  }

  /** Begins to connect the tool servers in the background. */
  start(): void {
    for (const server of this.#servers) server.start();
  }

  /**
   * Makes the tools of a creation known, if their servers have them. Waits for servers that are still starting.
   * @throws ENGINE_UNAVAILABLE a server cannot be reached, or is still starting · TOOL_UNKNOWN a server has the tool, but
   * it cannot be offered
   */
  async find(names: readonly string[]): Promise<void> {
    const servers = this.#serversOf(this.#unknown(names));
    const outcomes = await Promise.allSettled(servers.map((server) => server.list()));
    const unknown = this.#unknown(names);
    if (unknown.length === 0) return;
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') throw RuntimeError.from(outcome.reason);
    for (const tool of unknown)
      for (const server of servers) {
        const reason = server.reasonLeftOut(tool.slice(server.name.length + 1));
        if (tool.startsWith(`${server.name}.`) && reason !== null)
          throw new RuntimeError('TOOL_UNKNOWN', `The tool "${tool}" is not offered: ${reason}`, {
            details: { tools: [tool] },
          });
      }
  }

  /** @throws CONFIG_UNSUPPORTED two of the tools have the same name for the model */
  assertDistinct(names: readonly string[]): void {
    const seen = new Map<string, string>();
    for (const name of names) {
      const other = seen.get(toolNameForModel(name));
      if (other !== undefined && other !== name)
        throw new RuntimeError('CONFIG_UNSUPPORTED', 'Two granted tools have the same name for the model', {
          details: { tools: [other, name] },
        });
      seen.set(toolNameForModel(name), name);
    }
  }

  /** Returns tools by name, for one run. Does not wait for servers that are known to be late. */
  async grant(names: readonly string[], caller: ToolCaller, signal: AbortSignal): Promise<GrantedTools> {
    const connecting = this.#serversOf(this.#unknown(names)).map((server) => server.connect());
    await orAborted(Promise.allSettled(connecting), signal);
    const all = this.#all();
    const tools = new Map<string, GrantedTool>();
    const missing: string[] = [];
    for (const name of names) {
      const tool = all.get(name);
      if (tool) tools.set(toolNameForModel(name), tool);
      else missing.push(name);
    }
    return { tools, missing, caller };
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#servers.map((server) => server.close()));
  }

  #unknown(names: readonly string[]): readonly string[] {
    const all = this.#all();
    return names.filter((name) => !all.has(name));
  }

  #serversOf(names: readonly string[]): readonly McpServer[] {
    return this.#servers.filter(({ name }) => names.some((tool) => tool.startsWith(`${name}.`)));
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
