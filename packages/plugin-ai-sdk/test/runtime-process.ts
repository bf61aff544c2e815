import { Runtime } from '@worker-runtime/core';
import { aiSdk } from '../src/index.ts';
import { namedStore } from './named-store.ts';

/** A runtime in its own process, which a test kills. It writes a line when it is ready. */
const [, , runtimeId = '', script = ''] = process.argv;
await Runtime.start({
  plugins: [
    aiSdk({
      providers: { fake: { type: 'openai-compatible', baseUrl: 'http://127.0.0.1:9' } },
      mcpServers: { near: { command: 'sh', args: ['-c', script] } },
    }),
    { name: 'store', apply: (host) => host.useStore(namedStore(runtimeId)) },
  ],
});
process.stdout.write('ready\n');
