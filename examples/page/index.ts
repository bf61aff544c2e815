// The program of a page: it loads the end of a conversation, follows it over the network, and answers a request.
import { runtimeClient } from '@worker-runtime/client';
import { engine, Runtime } from '@worker-runtime/core';
import { Conversation } from '@worker-runtime/core/views';
import { http } from '@worker-runtime/plugin-http';
import { wsObservation } from '@worker-runtime/plugin-ws';

// the server
const counter = engine('counter', async function* (run) {
  for (const word of ['one', 'two', 'three']) yield { type: 'text', text: `${word} ` };
  const { decision } = await run.ask({ kind: 'question', prompt: 'Continue?', options: ['yes', 'no'] });
  yield { type: 'text', text: decision === 'yes' ? 'four' : 'enough' };
});
const web = http({ port: 0 });
const server = await Runtime.start({ engines: [counter], plugins: [web, wsObservation({ on: web })] });

// the page
const api = runtimeClient({ url: web.url });
await api.createWorker({ engine: 'counter', workerId: 'ada' });
const conversation = await Conversation.load(api, 'ada');
await api.sendInput('ada', { text: 'count' });

let text = '';
let answers = 0;
const after = conversation.cursor ?? 'start';
for await (const item of api.observe('ada', { after, acrossRestarts: true })) {
  for (const piece of conversation.apply(item)) text += piece.text;
  const [open] = conversation.requests;
  if (open && item.type === 'event' && item.event.type === 'request.opened') {
    console.log(`${text}— ${open.prompt}`);
    await api.respond('ada', open.requestId, { decision: 'yes' });
    answers += 1;
  }
  if (item.type === 'event' && item.event.type === 'run.finished') break;
}
console.log(text);
await server.stop();
console.log(`done: ${conversation.items.length} items, ${answers} answer, ${conversation.status}`);
