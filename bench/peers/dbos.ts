import { imported, install, type Packages } from './installed-packages.ts';
import { CLIENTS, outputOf } from './jobs.ts';
import type { Peer } from './peer.ts';
import { preparePostgres, startPostgres } from './postgres-server.ts';

/* The job of DBOS: it stores the workflow with its input, the result of a step, and the result of the workflow. */

const VERSION = '5.3.0';
const PACKAGES: Packages = { '@dbos-inc/dbos-sdk': VERSION };

/** The part of DBOS that the job needs. */
interface Sdk {
  readonly DBOS: {
    setConfig(config: {
      readonly name: string;
      readonly systemDatabaseUrl: string;
      readonly systemDatabasePoolSize: number;
      readonly logLevel: string;
    }): void;
    launch(): Promise<void>;
    shutdown(): Promise<void>;
    registerWorkflow<Result>(
      work: (input: string) => Promise<Result>,
      options: { readonly name: string },
    ): (input: string) => Promise<Result>;
    runStep<Result>(step: () => Promise<Result>, options: { readonly name: string }): Promise<Result>;
    startWorkflow<Result>(
      workflow: (input: string) => Promise<Result>,
      options: { readonly workflowID: string },
    ): (input: string) => Promise<{ getResult(): Promise<Result> }>;
    listWorkflows(query: {
      readonly workflow_id_prefix: string;
      readonly status: string;
      readonly loadInput: boolean;
      readonly loadOutput: boolean;
    }): Promise<readonly { readonly workflowID: string; readonly output?: unknown }[]>;
  };
}

const prefixOf = (client: number): string => `client-${client}-`;

export const dbos: Peer = {
  id: 'dbos',
  what: 'DBOS on PostgreSQL: a workflow with one step',
  prepare: async () => (await preparePostgres()) ?? (await install(PACKAGES)),
  async start() {
    const { server, version } = await startPostgres();
    const { DBOS } = await imported<Sdk>(PACKAGES, '@dbos-inc/dbos-sdk');
    DBOS.setConfig({
      name: 'bench',
      systemDatabaseUrl: server.url(),
      systemDatabasePoolSize: CLIENTS,
      logLevel: 'error',
    });
    const work = DBOS.registerWorkflow(
      (input) => DBOS.runStep(async () => outputOf(input), { name: 'output' }),
      { name: 'repeater' },
    );
    await DBOS.launch();
    return {
      version: `DBOS ${VERSION}, ${version}`,
      async job(client, job, input) {
        const handle = await DBOS.startWorkflow(work, { workflowID: `${prefixOf(client)}${job}` })(input);
        return handle.getResult();
      },
      async stored(client) {
        const workflows = await DBOS.listWorkflows({
          workflow_id_prefix: prefixOf(client),
          status: 'SUCCESS',
          loadInput: false,
          loadOutput: true,
        });
        const jobOf = (workflowID: string): number => Number(workflowID.slice(prefixOf(client).length));
        return [...workflows]
          .sort((a, b) => jobOf(a.workflowID) - jobOf(b.workflowID))
          .map(({ output }) => String(output));
      },
      async stop() {
        await DBOS.shutdown();
        await server.dispose();
      },
    };
  },
};
