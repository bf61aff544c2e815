// Two agents of different kinds in one runtime: a model that asks for permission to use a tool, and an agent process
// that writes into a claimed directory. The answer of the model is the input of the agent.
import { mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Runtime } from '@worker-runtime/core';
import { acp } from '@worker-runtime/plugin-acp';
import { aiSdk } from '@worker-runtime/plugin-ai-sdk';
import { standIn } from '../companion/stand-in.ts';

const program = (name: string) => ({
  command: process.execPath,
  args: [`--import=${import.meta.resolve('tsx')}`, fileURLToPath(new URL(name, import.meta.url))],
});

const { MODEL_URL, MODEL = 'stand-in' } = process.env;
const standInServer = MODEL_URL === undefined ? await standIn() : null;
const folder = await realpath(await mkdtemp(join(tmpdir(), 'garden-')));
const runtime = await Runtime.start({
  plugins: [
    aiSdk({
      providers: { model: { type: 'openai-compatible', baseUrl: MODEL_URL ?? standInServer?.url ?? '' } },
      mcpServers: { garden: program('garden.ts') },
    }),
    acp({ agents: { keeper: program('keeper.ts') }, roots: [folder] }),
  ],
});

await runtime.createWorker({
  workerId: 'scout',
  engine: 'ai-sdk',
  config: { provider: 'model', model: MODEL },
  tools: ['garden.moisture'],
});
await runtime.createWorker({
  workerId: 'keeper',
  engine: 'acp',
  config: { agent: 'keeper' },
  claims: [{ name: 'garden', resource: `fs:${folder}`, mode: 'write' }],
});

// A run that asks for permission waits until a person answers. Here, a rule answers at once.
const { cursor, runId } = await runtime.sendInput('scout', { text: 'How dry is bed 3?' });
let permissions = 0;
let found = '';
for await (const item of runtime.observe('scout', { after: cursor })) {
  if (item.type !== 'event' || item.event.run !== runId) continue;
  const { event } = item;
  if (event.type === 'request.opened') {
    console.log('asked:', event.data.prompt);
    const decision = event.data.prompt.startsWith('garden.moisture ') ? 'allow' : 'deny';
    await runtime.respond('scout', event.data.request, { decision });
    permissions += 1;
  }
  if (event.type === 'message.completed')
    found = event.data.parts.map((part) => ('text' in part ? part.text : '')).join('');
  if (event.type === 'run.finished') break;
}
console.log('found:', found);

const { run } = await runtime.sendInput('keeper', { text: found }, { waitMs: 30_000 });
console.log('noted:', (await readFile(join(folder, 'notes.txt'), 'utf8')).trim());
await runtime.stop();
standInServer?.close();
await rm(folder, { recursive: true });
console.log(`done: ${permissions} permission, keeper ${run?.outcome}`);
