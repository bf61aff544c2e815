// A chat that survives a reload, a second tab and a restart of the server.
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { getRequestListener } from '@hono/node-server';
import { Runtime } from '@worker-runtime/core';
import { aiSdk, tool } from '@worker-runtime/plugin-ai-sdk';
import { fsStore } from '@worker-runtime/plugin-fs-store';
import { z } from 'zod';
import { chatServer } from './server.ts';
import { slowStandIn } from './slow-stand-in.ts';

const { MODEL_URL, MODEL = 'stand-in', MODEL_KEY, CHAT_DIR, PORT = '3000' } = process.env;
const standInServer = MODEL_URL === undefined ? await slowStandIn() : null;

const runtime = await Runtime.start({
  plugins: [
    fsStore({ dir: CHAT_DIR ?? join(homedir(), '.local/share/worker-runtime/example-chat') }),
    aiSdk({
      providers: {
        model: {
          type: 'openai-compatible',
          baseUrl: MODEL_URL ?? standInServer?.url ?? '',
          ...(MODEL_KEY !== undefined && { apiKeyEnv: 'MODEL_KEY' }),
        },
      },
      tools: {
        roll_dice: tool({
          description: 'Rolls a die.',
          inputSchema: z.object({ sides: z.number().int().min(1).max(100) }),
          needsApproval: true,
          execute: async ({ sides }) => randomInt(1, sides + 1),
        }),
      },
    }),
  ],
});

const app = chatServer(runtime, { provider: 'model', model: MODEL });
const answer = getRequestListener(app.fetch);
const server = createServer((request, response) => void answer(request, response));
server.listen(Number(PORT), '127.0.0.1');
await once(server, 'listening');
console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);

const stop = async (): Promise<void> => {
  server.close();
  await runtime.stop();
  // pages that ask when the server is back keep their connections in use
  server.closeAllConnections();
  standInServer?.close();
};
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void stop());
