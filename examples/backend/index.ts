// A product with its own server, its own users and its own pages. It mounts the agents like any other part.
import { fileURLToPath } from 'node:url';
import { type Person, readPolicy } from '@worker-runtime/backend';
import { engine, inputText, Runtime } from '@worker-runtime/core';
import { Registry } from '@worker-runtime/registry';
import { fastify } from 'fastify';
import { agents } from './agents.ts';

const clerk = engine('clerk', async function* (run) {
  yield { type: 'text', text: `You asked: ${inputText(run.input)}` };
});

// Two runtimes side by side. One on another machine is { name, url, runtimeId, auth } instead.
const [day, night] = [await Runtime.start({ engines: [clerk] }), await Runtime.start({ engines: [clerk] })];
const registry = new Registry([
  { name: 'day', runtime: day },
  { name: 'night', runtime: night },
]);

// the login of the product: here, a cookie is the name of its user
const USERS: Readonly<Record<string, Person>> = {
  ada: { name: 'ada', groups: ['customers'] },
  bea: { name: 'bea', groups: ['customers'] },
  root: { name: 'root', groups: ['staff'] },
};
const app = fastify();
app.get('/', async () => 'The pages of the product');
await app.register(agents, {
  prefix: '/agents',
  registry,
  rules: await readPolicy(fileURLToPath(new URL('policy.json', import.meta.url))),
  workspace: 'shop',
  userOf: ({ headers }) => USERS[/(?:^|; )user=(\w+)/.exec(headers.cookie ?? '')?.[1] ?? ''] ?? null,
});
const url = await app.listen({ port: 0, host: '127.0.0.1' });

// what the pages of the product do
const as = async (
  user: string,
  path: string,
  body?: object,
  headers: Readonly<Record<string, string>> = {},
) => {
  const answer = await fetch(`${url}/agents${path}`, {
    method: body ? 'POST' : 'GET',
    headers: { cookie: `user=${user}`, ...(body && { 'content-type': 'application/json' }), ...headers },
    ...(body && { body: JSON.stringify(body) }),
  });
  return { status: answer.status, body: JSON.parse(await answer.text()) };
};
const count = async (user: string): Promise<number> => (await as(user, '/')).body.items.length;

const { worker } = (await as('ada', `/${day.runtimeId}`, { engine: 'clerk' })).body;
const ada = `/${day.runtimeId}/${worker.workerId}`;
await as('bea', `/${night.runtimeId}`, { engine: 'clerk' });
const receipt = await as('ada', ada, { text: 'Where is my parcel?' });
const text = (await as('ada', ada)).body.items.at(-1).parts[0].text;
console.log(`ada's run ${receipt.body.run.outcome}: ${text}`);

const seen = [await count('ada'), await count('bea'), await count('root')].join(', ');
const refused = [
  (await as('bea', ada, { text: 'What did ada ask?' })).status,
  (await as('nobody', '/')).status,
  (await as('ada', ada, { text: 'from elsewhere' }, { origin: 'https://evil.example' })).status,
  (await as('ada', ada, { text: 'in a form' }, { 'content-type': 'text/plain' })).status,
].join(', ');
await app.close();
registry.close();
await Promise.all([day.stop(), night.stop()]);
console.log(`done: ada, bea and root see ${seen}; refused: ${refused}`);
