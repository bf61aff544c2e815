/** A server with a façade, whose test kills it: `tsx server.ts <module of the façade> <folder> <port>`. Its engine continues interrupted runs, if the Worker asks for it. */
import { inputText, Runtime, type RuntimePlugin } from '@worker-runtime/core';
import { fsStore } from '@worker-runtime/plugin-fs-store';
import { http, type MountPlace } from '@worker-runtime/plugin-http';

const [, , module = '', dir = '', port = '0'] = process.argv;
const { plugin } = (await import(module)) as {
  readonly plugin: () => RuntimePlugin & { mountOn(place: MountPlace): void };
};
const web = http({ port: Number(port) });
const facade = plugin();
facade.mountOn(web);

const slow: RuntimePlugin = {
  name: 'slow',
  apply: (host) =>
    host.useEngine({
      name: 'slow',
      capabilities: { placement: 'backendInternal', continues: true },
      attach: async () => ({
        async *run(run) {
          if (run.attempt === 1) {
            yield { type: 'message', parts: [{ type: 'text', text: `You said ${inputText(run.input)}. ` }] };
            yield { type: 'text', text: 'And th' };
            await new Promise<never>(() => {});
          }
          yield { type: 'text', text: 'And that is all.' };
        },
        detach: async () => {},
      }),
    }),
};

await Runtime.start({ plugins: [fsStore({ dir }), web, facade, slow] });
process.stdout.write(`${web.url}\n`);
