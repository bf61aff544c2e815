import { Pool } from 'pg';
import { imported, install, type Packages } from './installed-packages.ts';
import { CLIENTS, outputOf } from './jobs.ts';
import type { Peer } from './peer.ts';
import { preparePostgres, startPostgres } from './postgres-server.ts';

/*
 * The job of LangGraph: each client has a thread, and the graph has one node. With the durability `sync`, each checkpoint is stored
 * before the graph continues: one with the input, one before the node and one after it.
 */

const GRAPH = '1.7.3';
const SAVER = '1.0.5';
const CORE = '1.4.0';
const PACKAGES: Packages = {
  '@langchain/langgraph': GRAPH,
  '@langchain/langgraph-checkpoint-postgres': SAVER,
  '@langchain/core': CORE,
};

interface State {
  readonly input: string;
  readonly output: string;
}

interface Thread {
  readonly configurable: { readonly thread_id: string };
  readonly durability?: 'sync';
}

/** A graph that keeps its state. */
interface Graph {
  invoke(state: Partial<State>, options: Thread): Promise<State>;
  getStateHistory(
    thread: Thread,
  ): AsyncIterable<{ readonly values: Partial<State>; readonly next: readonly string[] }>;
}

/** The part of LangGraph that the job needs. */
interface Builder {
  addNode(name: string, work: (state: State) => Partial<State>): this;
  addEdge(from: string, to: string): this;
  compile(options: { readonly checkpointer: object }): Graph;
}
interface Library {
  readonly Annotation: (<Value>() => Value) & { Root(fields: object): object };
  readonly StateGraph: new (state: object) => Builder;
  readonly START: string;
  readonly END: string;
}
interface Saver {
  readonly PostgresSaver: new (pool: Pool) => { setup(): Promise<void> };
}

const threadOf = (client: number): Thread => ({ configurable: { thread_id: `client-${client}` } });

export const langGraph: Peer = {
  id: 'langgraph',
  what: 'LangGraph with PostgresSaver: a graph with one node, durability `sync`',
  prepare: async () => (await preparePostgres()) ?? (await install(PACKAGES)),
  async start() {
    const { server, version } = await startPostgres();
    const { Annotation, StateGraph, START, END } = await imported<Library>(PACKAGES, '@langchain/langgraph');
    const { PostgresSaver } = await imported<Saver>(PACKAGES, '@langchain/langgraph-checkpoint-postgres');
    const pool = new Pool({ connectionString: server.url(), max: CLIENTS });
    const checkpointer = new PostgresSaver(pool);
    await checkpointer.setup();
    const graph = new StateGraph(
      Annotation.Root({ input: Annotation<string>(), output: Annotation<string>() }),
    )
      .addNode('repeater', ({ input }) => ({ output: outputOf(input) }))
      .addEdge(START, 'repeater')
      .addEdge('repeater', END)
      .compile({ checkpointer });
    return {
      version: `LangGraph ${GRAPH}, PostgresSaver ${SAVER}, ${version}`,
      async job(client, _job, input) {
        const { output } = await graph.invoke({ input }, { ...threadOf(client), durability: 'sync' });
        return output;
      },
      async stored(client) {
        const outputs: string[] = [];
        // newest first; the last checkpoint of a job has no next node
        for await (const { values, next } of graph.getStateHistory(threadOf(client)))
          if (next.length === 0) outputs.unshift(String(values.output));
        return outputs;
      },
      async stop() {
        await pool.end();
        await server.dispose();
      },
    };
  },
};
