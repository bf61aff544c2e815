import {
  engine,
  inputText,
  type RuntimeApi,
  type RuntimePlugin,
  type TranscriptItem,
} from '@worker-runtime/core';
import { CLIENTS, outputOf } from './jobs.ts';

/*
 * The job of a Runtime. The input is the first commit. The engine yields the output, which is the second one, and ends after that, so
 * that the end of the run is the third one. Each client has a Worker.
 */

const PAGE = 500;

export const repeater: RuntimePlugin = {
  name: 'repeater',
  apply(host) {
    host.useEngine(
      engine('repeater', async function* ({ input }) {
        yield { type: 'message', parts: [{ type: 'text', text: outputOf(inputText(input)) }] };
      }),
    );
  },
};

export const workerIdOf = (client: number): string => `worker-${client}`;

/** Creates the Workers of all clients. */
export const createRepeaters = async (runtime: RuntimeApi): Promise<void> => {
  for (let client = 0; client < CLIENTS; client += 1)
    await runtime.createWorker({ engine: 'repeater', workerId: workerIdOf(client) });
};

/** Returns the text of a message. */
export const textOf = ({ parts }: Pick<TranscriptItem, 'parts'>): string => {
  const [part] = parts;
  if (part?.type !== 'text') throw new Error(`This message has no text: ${JSON.stringify(parts)}`);
  return part.text;
};

/** Reads the outputs of a client from the log of its Worker. Only runs that have ended count. */
export const storedOutputs = async (runtime: RuntimeApi, client: number): Promise<readonly string[]> => {
  const outputs: string[] = [];
  const ended = new Set<string>();
  for (let after: string | null = 'start'; after !== null; ) {
    const { items, next } = await runtime.events(workerIdOf(client), { after, limit: PAGE });
    for (const { type, run, data } of items) {
      if (type === 'message.completed') outputs.push(textOf(data));
      if (type === 'run.finished' && data.outcome === 'completed' && run) ended.add(run);
    }
    after = next;
  }
  if (ended.size !== outputs.length)
    throw new Error(`Client ${client} has ${outputs.length} outputs in ${ended.size} completed runs`);
  return outputs;
};
