import type * as Api from '@worker-runtime/core';
import type { Across, RegistryApi, RuntimeEntry } from '@worker-runtime/core/plugin-kit';
import { Connection } from './connection.ts';
import { apiOf, type ClientOptions, timingOf } from './options.ts';
import { listQueryOf, queryOf } from './query.ts';
import { type RuntimeClient, runtimeClient } from './runtime-client.ts';

/** The options of a client of several runtimes: those of each runtime's client, without its id. */
export type BackendOptions = Omit<ClientOptions, 'runtime'>;

/**
 * A client of a server with several runtimes, such as a backend. Its errors are those of `RuntimeClient`.
 */
export interface BackendClient extends RegistryApi {
  /** Returns the client of a runtime. The first call fails with RUNTIME_NOT_FOUND if the caller has no such runtime. */
  runtime(runtimeId: string): RuntimeClient;
}

class HttpBackendClient implements BackendClient {
  readonly #options: BackendOptions;
  readonly #connection: Connection;

  constructor(options: BackendOptions) {
    this.#options = options;
    this.#connection = new Connection(apiOf(options), options, timingOf(options));
  }

  runtime(runtimeId: string): RuntimeClient {
    return runtimeClient({ ...this.#options, runtime: runtimeId });
  }

  async entries(): Promise<readonly RuntimeEntry[]> {
    const entries: RuntimeEntry[] = [];
    for (let after: string | null = 'start'; after !== null; ) {
      const page: Api.Page<RuntimeEntry> = await this.#get('/runtimes', queryOf({ after }));
      entries.push(...page.items);
      after = page.next;
    }
    return entries;
  }

  async workers({
    runtimes = [],
    ...query
  }: Api.ListWorkers & { readonly runtimes?: readonly string[] } = {}): Promise<Across<Api.ListedWorker>> {
    const parameters = listQueryOf(query);
    for (const runtimeId of runtimes) parameters.append('runtime', runtimeId);
    return this.#get('/workers', parameters);
  }

  async requests(
    query: Api.PageQuery = {},
  ): Promise<Across<Api.WorkerRequest & { readonly runtimeId: string }>> {
    return this.#get('/requests', queryOf(query));
  }

  async #get<T>(path: string, query: URLSearchParams): Promise<T> {
    const { body } = await this.#connection.call({ method: 'GET', path, query });
    return body as T;
  }
}

/** Creates a client of a server with several runtimes. It connects at the first call. @throws TypeError an option is invalid */
export const backendClient = (options: BackendOptions): BackendClient => new HttpBackendClient(options);
