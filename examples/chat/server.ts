// The server of the chat: the page, and one Worker for each conversation.
import { serveStatic } from '@hono/node-server/serve-static';
import { type Runtime, RuntimeError } from '@worker-runtime/core';
import { uiStream } from '@worker-runtime/facade-ui-stream';
import { Hono } from 'hono';
import { csrf } from 'hono/csrf';

const CHAT_ID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

export const chatServer = (runtime: Runtime, config: Readonly<Record<string, string>>): Hono => {
  /** Returns the Worker of a conversation, whose first message creates it. A product checks here whose conversation it is. */
  const workerOf = async (chatId: string, { method }: Pick<Request, 'method'>): Promise<string> => {
    if (!CHAT_ID.test(chatId)) throw new RuntimeError('WORKER_NOT_FOUND');
    if (method === 'POST')
      await runtime.createWorker(
        {
          workerId: chatId,
          engine: 'ai-sdk',
          config,
          tools: ['roll_dice'],
          // an answer continues after a restart of the server
          whenInterrupted: 'continue',
        },
        { idempotencyKey: chatId },
      );
    return chatId;
  };
  const chat = uiStream(runtime, { workerOf });

  const app = new Hono();
  app.use(async (c, next) => {
    // with DNS rebinding, the Host is the name of another site
    if (!['127.0.0.1', 'localhost'].includes(new URL(c.req.url).hostname)) return c.text('Forbidden', 403);
    return next();
  });
  // a page of another site cannot send messages
  app.use(csrf());
  app.delete('/api/chat/:chat', async (c) => {
    await runtime.cancelRun(await workerOf(c.req.param('chat'), c.req), { reason: 'The person stopped it' });
    return c.body(null, 204);
  });
  app.all('/api/chat/*', (c) => chat(c.req.raw));
  app.all('/api/chat', (c) => chat(c.req.raw));
  app.use(serveStatic({ root: `${import.meta.dirname}/dist` }));
  return app;
};
