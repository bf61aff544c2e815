/**
 * The Worker and the run for which a tool is called. A function of the embedder gets it as `experimental_context` of its
 * options, a tool server, without the labels, as `_meta["worker-runtime/caller"]` of the call. It comes from the runtime: a model cannot
 * change it, unlike the input of the call.
 * @example
 * const orders = tool({
 *   description: 'Lists the orders of the customer.',
 *   inputSchema: z.object({}),
 *   execute: async (_input, { experimental_context }) => {
 *     const { workerId } = experimental_context as ToolCaller;
 *     return ordersOf(customers.get(workerId));
 *   },
 * });
 */
export interface ToolCaller {
  readonly runtimeId: string;
  readonly workerId: string;
  readonly runId: string;
  /** The labels that the Worker had when the run began. */
  readonly labels: Readonly<Record<string, string>>;
}
