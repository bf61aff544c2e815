import test from 'ava';
import { engine, inputText, type Message } from '../src/contracts/engine.ts';
import type { WorkerEvent } from '../src/contracts/event.ts';
import { memoryStore } from '../src/memory-store/memory-store.ts';
import { faultyStore } from '../src/testing/faulty-store.ts';
import { startRig } from './fixtures/rig.ts';

/** Its run is cancelled, so the text that it has left is a part of a message. */
const CANCELLED = 'partial';

const texts: readonly string[] = [
  '',
  CANCELLED,
  '"quoted" \\ back\\\\slash "',
  '</script> \u2028 \u2029 \u007f \ufeff',
  'a pair \u{1f642}, half of one \ud83d, the other half \ude42, both wrong \ude42\ud83d',
  // each unit of UTF-16, 256 in a text
  ...Array.from({ length: 256 }, (_, high) =>
    String.fromCharCode(...Array.from({ length: 256 }, (_, low) => high * 256 + low)),
  ),
];

const asMessages = (text: string): readonly Message[] => [
  { type: 'message', parts: [{ type: 'text', text }] },
  { type: 'message', parts: [{ type: 'reasoning', text }] },
  { type: 'message', parts: [{ type: 'text', text, opaque: { signature: text.toWellFormed() } }] },
  {
    type: 'message',
    parts: [
      { type: 'text', text },
      { type: 'text', text },
    ],
  },
];

/** The text that each run was to write, as the log has it. */
const written = new Map<string, string>();

/** Writes each text as a message, before the first step and in it, and once as the text that a run has left. */
const writer = engine('writer', async function* ({ runId, input, signal }) {
  const text = texts[Number(inputText(input))] as string;
  written.set(runId, text.toWellFormed());
  yield asMessages(text);
  yield { type: 'step-start' };
  yield asMessages(text);
  yield { type: 'text', text };
  if (text === CANCELLED) await new Promise((resolve) => signal.addEventListener('abort', resolve));
});

test('a line is what JSON.stringify makes of its event, for any text of a message', async (t) => {
  const store = faultyStore(memoryStore());
  const { runtime } = await startRig(t, { store, engines: [writer] });
  await runtime.createWorker({ workerId: 'w', engine: 'writer' });
  for (const [at, text] of texts.entries()) {
    const { runId } = await runtime.sendInput('w', { text: String(at) });
    if (text === CANCELLED) {
      for await (const item of runtime.observe('w')) if (item.type === 'delta') break;
      await runtime.cancelRun('w', { runId });
    }
    await runtime.waitForRun('w', runId);
  }
  let messages = 0;
  for (const { batch } of store.calls) {
    if (!batch) continue;
    for (const line of Buffer.from(batch.lines).toString().trimEnd().split('\n')) {
      const event = JSON.parse(line) as WorkerEvent;
      if (line !== JSON.stringify(event)) t.fail(line);
      if (event.type !== 'message.completed') continue;
      const { run, data } = event;
      messages += 1;
      t.true(data.parts.length > 0);
      for (const part of data.parts)
        if (part.type === 'text' || part.type === 'reasoning')
          t.is(part.text, written.get(run ?? '') as string);
    }
  }
  // each text as eight messages, and what a run left as a ninth; without text it leaves none
  t.is(messages, texts.length * 9 - 1);
});
