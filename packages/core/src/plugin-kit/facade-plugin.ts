import type { RuntimePlugin } from '../contracts/plugin.ts';

/** The part of a server on which a façade is mounted. plugin-http has it. `Served` is what the façade needs of a runtime. */
export interface FacadePlace<Served> {
  mount(
    name: string,
    permission: 'observe',
    handler: (
      request: Request,
      context: {
        readonly served: Served;
        readonly caller: { readonly name: string | null };
        readonly path: string;
        readonly ending: AbortSignal;
      },
    ) => Promise<Response>,
  ): void;
}

/** The facts about a request of a client that the server of a façade knows. */
export interface Serving {
  /** The name of the caller, for the events of its commands. */
  readonly actor?: string | null;
  /** The path below the façade, decoded. Without it the façade may be below any path. */
  readonly path?: string;
  /** Aborts when the answer has to end. Its reason is the error that the client gets. */
  readonly ending?: AbortSignal;
}

/** The plugin of a façade for the command line, which mounts it on the server. */
export interface FacadePlugin<Served> extends RuntimePlugin {
  mountOn(place: FacadePlace<Served>): void;
}
