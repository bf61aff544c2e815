import { hash } from 'node:crypto';
import type { FilePart } from '../../contracts/file.ts';
import type { Contract } from './contract.ts';
import { type Scene, wrong } from './scene.ts';

/** Each byte, many times: more than one packet, and no text in any encoding. */
const BYTES = Uint8Array.from({ length: 100_000 }, (_, at) => (at * 31 + (at >> 8)) & 255);
const digestOf = (bytes: Uint8Array): string => `sha256-${hash('sha256', bytes, 'hex')}`;
const IMAGE: FilePart = {
  type: 'file',
  digest: digestOf(BYTES),
  mediaType: 'image/png',
  sizeBytes: BYTES.length,
  name: 'Zürich 🏔.png',
};
const UNKNOWN = `sha256-${'0'.repeat(64)}`;

const put = (scene: Scene, workerId: string, { mediaType, name = '' } = IMAGE): Promise<FilePart> =>
  scene.api.putFile(workerId, BYTES, { mediaType, ...(name !== '' && { name }) });

/** Files of inputs, messages and tool results. */
export const fileTests = (contract: Contract): void => {
  contract('P56: a file is stored once, under the digest of its bytes', async (t, scene) => {
    const workerId = await scene.create();
    t.deepEqual(await put(scene, workerId), IMAGE);
    // the bytes have a type, and a reference has a name
    const { name: _, ...unnamed } = IMAGE;
    t.deepEqual(await scene.api.putFile(workerId, BYTES, { mediaType: 'text/html', name: 'b.html' }), {
      ...unnamed,
      name: 'b.html',
    });
    t.deepEqual(await scene.api.putFile(workerId, BYTES, { mediaType: 'IMAGE/PNG' }), unnamed);
    const { bytes, ...content } = await scene.api.getFile(workerId, IMAGE.digest);
    const { digest, mediaType, sizeBytes } = IMAGE;
    t.deepEqual(content, { digest, mediaType, sizeBytes });
    t.true(Buffer.from(bytes).equals(BYTES), 'the bytes are unchanged');
    const stored = await scene.only(workerId, 'file.stored');
    t.deepEqual(
      stored.map((event) => [event.run, event.data]),
      [[undefined, { digest, mediaType, sizeBytes }]],
    );
    const { items } = await scene.api.transcript(workerId);
    t.deepEqual(items, []);
    for (const type of ['image/svg+xml', 'text/html', 'application/x-unknown', 'text/plain']) {
      const other = await scene.api.putFile(workerId, Buffer.from(type), { mediaType: type });
      const back = await scene.api.getFile(workerId, other.digest);
      t.deepEqual([back.mediaType, Buffer.from(back.bytes).toString()], [type, type]);
    }
  });

  contract('P56: a file belongs to one Worker', async (_t, scene) => {
    const [one, other] = [await scene.create(), await scene.create()];
    await put(scene, one);
    await scene.refuses('FILE_NOT_FOUND', 'a file of another Worker', () =>
      scene.api.getFile(other, IMAGE.digest),
    );
    await scene.refuses('FILE_NOT_FOUND', 'an input with a file of another Worker', () =>
      scene.api.sendInput(other, { parts: [IMAGE] }),
    );
    for (const digest of [UNKNOWN, 'sha256-0', '../x', '__proto__'])
      await scene.refuses('FILE_NOT_FOUND', digest, () => scene.api.getFile(one, digest));
    await scene.refuses('WORKER_NOT_FOUND', 'an unknown Worker', () => put(scene, 'absent'));
    await scene.refuses('WORKER_NOT_FOUND', 'a file of an unknown Worker', () =>
      scene.api.getFile('absent', IMAGE.digest),
    );
  });

  contract(
    'P56: the files of an input reach the engine and the transcript by reference',
    async (t, scene) => {
      const workerId = await scene.create();
      await put(scene, workerId);
      const text = { type: 'text', text: 'look' } as const;
      const read: Buffer[] = [];
      scene.plays({
        look: [
          {
            type: 'call',
            call: async (run, context) => {
              for (const part of run.input?.parts ?? [])
                if (part.type === 'file') read.push(Buffer.from((await context.getFile(part.digest)).bytes));
              return [];
            },
          },
        ],
      });
      const { type, digest, name = '' } = IMAGE;
      await scene.say(workerId, { parts: [text, IMAGE, { type, digest }, { type, digest, name: 'b.png' }] });
      const { name: _, ...unnamed } = IMAGE;
      const parts = [text, IMAGE, unnamed, { ...IMAGE, name: 'b.png' }];
      t.true(name !== '');
      t.deepEqual(scene.engine.sessions[0]?.runs[0]?.input?.parts, parts);
      t.deepEqual([read.length, read.every((bytes) => bytes.equals(BYTES))], [3, true]);
      const [accepted] = await scene.only(workerId, 'input.accepted');
      t.deepEqual(accepted?.data.parts, parts);
      const { items } = await scene.api.transcript(workerId);
      t.deepEqual(items[0]?.parts, parts);
      // the same key and request again is the same input
      const options = { idempotencyKey: 'files', waitMs: 20_000 };
      const first = await scene.api.sendInput(workerId, { parts: [text, IMAGE] }, options);
      const again = await scene.api.sendInput(workerId, { parts: [text, IMAGE] }, options);
      t.deepEqual([again.replayed, again.inputId], [true, first.inputId]);
    },
  );

  contract('P56: an engine stores the files of its messages and tool results', async (t, scene) => {
    const workerId = await scene.create({ tools: ['read'] });
    scene.plays({
      draw: [
        {
          type: 'call',
          call: async (_run, context) => {
            const { mediaType, name = '' } = IMAGE;
            const file = await context.putFile(BYTES, { mediaType, name });
            return [
              { type: 'tool-call', call: 'c', name: 'read', input: null },
              { type: 'tool-result', call: 'c', output: 'an image', files: [file] },
              { type: 'message', parts: [{ type: 'text', text: 'here' }, file] },
            ];
          },
        },
      ],
    });
    await scene.say(workerId, 'draw');
    const [finished] = await scene.only(workerId, 'tool.finished');
    t.deepEqual(finished?.data, { call: 'c', output: 'an image', files: [IMAGE] });
    const [message] = await scene.only(workerId, 'message.completed');
    t.deepEqual(
      message?.data.parts.map((part) => ({ ...part, id: 'any' })),
      [
        { id: 'any', type: 'text', text: 'here' },
        { id: 'any', ...IMAGE },
      ],
    );
    const { items } = await scene.api.transcript(workerId);
    t.deepEqual(items[2]?.parts, [{ type: 'tool-result', call: 'c', output: 'an image', files: [IMAGE] }]);
    const { bytes } = await scene.api.getFile(workerId, IMAGE.digest);
    t.true(Buffer.from(bytes).equals(BYTES));
    t.is((await scene.only(workerId, 'file.stored')).length, 1);
  });

  contract('P56: an input with a file that the Worker cannot take is refused', async (t, scene) => {
    const workerId = await scene.create();
    await put(scene, workerId);
    const { type, digest } = IMAGE;
    const send = (parts: unknown) => () => scene.api.sendInput(workerId, wrong({ parts }));
    await scene.refuses('FILE_NOT_FOUND', 'an unknown digest', send([{ type, digest: UNKNOWN }]));
    for (const [what, part] of [
      ['another media type', { ...IMAGE, mediaType: 'image/jpeg' }],
      ['another size', { ...IMAGE, sizeBytes: 1 }],
      ['a path as the name', { ...IMAGE, name: '../a.png' }],
      ['a name with a line break', { ...IMAGE, name: 'a\n.png' }],
      ['an invalid digest', { type, digest: 'sha256-0' }],
      ['no digest', { type }],
      ['bytes', { ...IMAGE, bytes: 'AAAA' }],
      ['a URL', { type, mediaType: 'image/png', url: 'data:,x' }],
    ] as const)
      await scene.refuses('INVALID_REQUEST', what, send([part]));
    const { limits } = await scene.api.summary();
    const many = Array.from({ length: limits.inputFiles + 1 }, () => ({ type, digest }));
    await scene.refuses('INVALID_REQUEST', 'too many files', send(many));
    await scene.refuses('FILE_NOT_FOUND', 'a file of a Worker that does not exist', () =>
      scene.api.createWorker({ engine: 'scripted', initialInput: { parts: [IMAGE] } }),
    );
    const html = await scene.api.putFile(workerId, Buffer.from('<p>'), { mediaType: 'text/html' });
    const details = await scene.refuses('OPERATION_UNSUPPORTED', 'a type that is not accepted', send([html]));
    t.deepEqual([details.mediaType, details.accepted], ['text/html', ['image/*', 'text/plain']]);
    scene.engine.capabilities = { placement: 'backendInternal' };
    await scene.refuses('OPERATION_UNSUPPORTED', 'an engine that takes no files', send([IMAGE]));
    t.deepEqual(await scene.only(workerId, 'input.accepted'), []);
    t.is((await scene.api.getWorker(workerId)).status, 'idle');
  });

  contract('a file that cannot be stored is refused', async (t, scene) => {
    const workerId = await scene.create();
    const refused: readonly (readonly [what: string, description: unknown])[] = [
      ['no media type', {}],
      ['no subtype', { mediaType: 'image' }],
      ['a parameter', { mediaType: 'text/plain; charset=utf-8' }],
      ['a line break', { mediaType: 'image/png\n' }],
      ['a wildcard', { mediaType: 'image/*' }],
      ['a path', { mediaType: 'image/png', name: 'a/b' }],
      ['a parent', { mediaType: 'image/png', name: '..' }],
      ['an empty name', { mediaType: 'image/png', name: '' }],
      ['a long name', { mediaType: 'image/png', name: 'n'.repeat(256) }],
      ['half a pair', { mediaType: 'image/png', name: '\ud83d' }],
    ];
    for (const [what, description] of refused)
      await scene.refuses('INVALID_REQUEST', what, () =>
        scene.api.putFile(workerId, BYTES, wrong(description)),
      );
    await scene.refuses('INVALID_REQUEST', 'no bytes', () =>
      scene.api.putFile(workerId, new Uint8Array(0), { mediaType: 'image/png' }),
    );
    const { limits } = await scene.api.summary();
    await scene.refuses('PAYLOAD_TOO_LARGE', 'a large file', () =>
      scene.api.putFile(workerId, new Uint8Array(limits.fileBytes + 1), { mediaType: 'image/png' }),
    );
    await scene.api.stopWorker(workerId);
    await scene.refuses('WORKER_STOPPED', 'a stopped Worker', () => put(scene, workerId));
    t.deepEqual(await scene.only(workerId, 'file.stored'), []);
  });

  for (const way of ['restart', 'kill'] as const)
    contract(
      `P56: files survive a ${way}, also those of queued inputs`,
      async (t, scene) => {
        const workerId = await scene.createAt('work');
        await put(scene, workerId);
        await scene.api.sendInput(workerId, { parts: [IMAGE], whenBusy: 'queue' });
        await scene[way]();
        await scene.happens(workerId, 'run.finished', 2);
        t.deepEqual(scene.engine.sessions.at(-1)?.runs.at(-1)?.input?.parts, [IMAGE]);
        const { bytes } = await scene.api.getFile(workerId, IMAGE.digest);
        t.true(Buffer.from(bytes).equals(BYTES));
        await put(scene, workerId);
        t.is((await scene.only(workerId, 'file.stored')).length, 1);
        await scene.api.stopWorker(workerId);
        t.is((await scene.api.getFile(workerId, IMAGE.digest)).sizeBytes, BYTES.length);
      },
      way,
    );
};
