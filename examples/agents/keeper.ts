// An agent of the Agent Client Protocol, made with its official SDK. It writes its prompts to a file, through the
// runtime, which allows only files inside the claims of the Worker.
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { agent, methods, ndJsonStream, PROTOCOL_VERSION } from '@agentclientprotocol/sdk';

agent({ name: 'keeper' })
  .onRequest(methods.agent.initialize, () => ({ protocolVersion: PROTOCOL_VERSION }))
  .onRequest(methods.agent.session.new, () => ({ sessionId: 'notes' }))
  .onRequest(methods.agent.session.prompt, async ({ params: { sessionId, prompt }, client }) => {
    const text = prompt.map((block) => (block.type === 'text' ? block.text : '')).join('\n');
    const path = join(process.cwd(), 'notes.txt');
    await client.request(methods.client.fs.writeTextFile, { sessionId, path, content: `${text}\n` });
    await client.notify(methods.client.session.update, {
      sessionId,
      update: { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: 'Noted.' } },
    });
    return { stopReason: 'end_turn' };
  })
  .connect(
    ndJsonStream(Writable.toWeb(process.stdout), Readable.toWeb(process.stdin) as ReadableStream<Uint8Array>),
  );
