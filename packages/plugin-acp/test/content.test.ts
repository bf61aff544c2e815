import { type FilePart, RuntimeError } from '@worker-runtime/core';
import test from 'ava';
import { AgentScene } from './agent-scene.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

const FILES = [
  ['image', 'image/png', 'a b.png'],
  ['sound', 'audio/wav', undefined],
  ['a,b', 'text/csv', 'b.csv'],
  ['%PDF', 'application/pdf', 'c.pdf'],
] as const;

/** Opens a scene with a Worker that has these files, and an agent that can get such content. */
const openWithFiles = async (t: Parameters<typeof AgentScene.open>[0], content: string) => {
  const scene = await AgentScene.open(t, { traits: [`content=${content}`] });
  const workerId = await scene.create();
  const files: FilePart[] = [];
  for (const [bytes, mediaType, name] of FILES)
    files.push(
      await scene.runtime.putFile(workerId, Buffer.from(bytes), {
        mediaType,
        ...(name !== undefined && { name }),
      }),
    );
  const asked = async (...parts: readonly FilePart[]): Promise<string | undefined> => {
    await scene.run(workerId, {
      parts: [{ type: 'text', text: 'look' }, ...parts, { type: 'text', text: 'prompt' }],
    });
    return (await scene.transcript(workerId)).at(-1);
  };
  return { scene, workerId, files, asked };
};

test('an agent gets files as the content that it takes', async (t) => {
  const { files, asked } = await openWithFiles(t, 'image,audio,embeddedContext');
  t.is(
    await asked(...files),
    `assistant: I was told: ${[
      'look',
      `<image image/png ${base64('image')}>`,
      `<audio audio/wav ${base64('sound')}>`,
      '<attachment:///b.csv text/csv a,b>',
      `<attachment:///c.pdf application/pdf ${base64('%PDF')}>`,
      'prompt',
    ].join('\n---\n')}`,
  );
});

test('an agent that takes text only gets text, and other files are refused', async (t) => {
  const { scene, workerId, files, asked } = await openWithFiles(t, '');
  const [image, , text] = files;
  if (!image || !text) return t.fail();
  t.is(
    await asked(text),
    'assistant: I was told: look\n---\n[file b.csv, text/csv, 3 bytes]\na,b\n---\nprompt',
  );
  const error = await t.throwsAsync(scene.runtime.sendInput(workerId, { parts: [image] }), {
    instanceOf: RuntimeError,
  });
  t.is(error?.code, 'OPERATION_UNSUPPORTED');
  t.false((await scene.runtime.getWorker(workerId)).capabilities.files.accepted.includes('image/*'));
});

const image = { type: 'image', data: base64('image'), mimeType: 'image/png' } as const;
const photo = {
  type: 'resource',
  resource: { uri: 'file:///tmp/photo.jpg', mimeType: 'image/jpeg', blob: base64('photo') },
} as const;
const say = (content: object) => ({ sessionUpdate: 'agent_message_chunk', content });
const updates = (...list: readonly object[]): string => `updates ${JSON.stringify(list)}`;

test('an image that an agent sends is a message, in its place between the words', async (t) => {
  const scene = await AgentScene.open(t);
  const workerId = await scene.create();
  const text = (words: string) => say({ type: 'text', text: words });
  t.deepEqual(await scene.run(workerId, updates(text('Here '), text('it is:'), say(image), text('Nice?'))), {
    outcome: 'completed',
  });
  const { items } = await scene.runtime.transcript(workerId);
  const parts = items.slice(1).flatMap((item) => item.parts);
  t.like(parts, [
    { type: 'text', text: 'Here it is:' },
    { type: 'file', mediaType: 'image/png', sizeBytes: 5 },
    { type: 'text', text: 'Nice?' },
  ]);
  const file = parts[1];
  const digest = file?.type === 'file' && 'digest' in file ? file.digest : '';
  t.is(Buffer.from((await scene.runtime.getFile(workerId, digest)).bytes).toString(), 'image');
});

test('images of a tool call are files of its result, and a file that cannot be stored is a remark', async (t) => {
  const scene = await AgentScene.open(t, { limits: { fileBytes: 5 } });
  const workerId = await scene.create();
  const call = { sessionUpdate: 'tool_call', toolCallId: 't', title: 'shot', status: 'in_progress' };
  const done = { sessionUpdate: 'tool_call_update', toolCallId: 't', status: 'completed' };
  const content = [image, photo, { type: 'text', text: 'two' }].map((one) => ({
    type: 'content',
    content: one,
  }));
  await scene.run(workerId, updates(call, { ...done, content }));
  const finished = (await scene.log(workerId)).find(({ type }) => type === 'tool.finished')?.data;
  t.like(finished, {
    output: '[image]\n[resource]\ntwo',
    files: [{ mediaType: 'image/png' }, { mediaType: 'image/jpeg', name: 'photo.jpg' }],
  });
  const large = { ...image, data: base64('larger') };
  t.deepEqual(await scene.run(workerId, updates(say(large))), { outcome: 'completed' });
  const notice = (await scene.log(workerId)).find(({ type }) => type === 'diagnostic.recorded')?.data;
  t.like(notice, { code: 'FILE_NOT_STORED' });
  t.is((await scene.transcript(workerId)).at(-1), 'assistant: [image]');
});
