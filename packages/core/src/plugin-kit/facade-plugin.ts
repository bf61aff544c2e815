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
        readonly ending: AbortSignal;
      },
    ) => Promise<Response>,
  ): void;
}

/** The plugin of a façade for the command line, which mounts it on the server. */
export interface FacadePlugin<Served> extends RuntimePlugin {
  mountOn(place: FacadePlace<Served>): void;
}
