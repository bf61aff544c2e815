/** A backend in a process of its own, for tests that kill it. Prints its address and a token of the operator. */
import { engine, inputText, type RuntimePlugin } from '@worker-runtime/core';
import { Backend } from '../src/index.ts';

const [folder = ''] = process.argv.slice(2);
const parrot: RuntimePlugin = {
  name: 'parrot',
  apply: (host) =>
    host.useEngine(
      engine('parrot', async function* (run) {
        yield { type: 'text', text: inputText(run.input) };
      }),
    ),
};
const backend = await Backend.start(
  {
    listen: { port: 0 },
    dataDir: folder,
    auditBytes: 65_536,
    workspaces: { default: { plugins: [parrot] } },
  },
  { folder },
);
console.log(backend.url);
