/**
 * The requirements of RFC 6455 for a server, section by section, with the cases of the public conformance suites. Where a
 * suite needs an echo, the test unsubscribes from a Worker without a subscription: the answer contains the sent text. The tests run
 * against any server that leads to a stream.
 */
import test, { type ExecutionContext } from 'ava';
import { OPCODE, RawPeer, rawFrame } from './raw-peer.ts';

const { continuation, text, binary, close, ping, pong } = OPCODE;
const PROTOCOL_ERROR = 1002;
const NO_TEXT = 1007;

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');
/** Returns a message whose answer echoes the given text. */
const message = (worker: string | Buffer): Buffer =>
  Buffer.concat([Buffer.from('{"op":"unsubscribe","worker":"'), Buffer.from(worker), Buffer.from('"}')]);
const textOf = (payload: Buffer): Buffer => rawFrame({ opcode: text, payload });
/** Splits a message into frames of the given size. */
const inFrames = (payload: Buffer, size: number): readonly Buffer[] =>
  Array.from({ length: Math.ceil(payload.length / size) }, (_, at) =>
    rawFrame({
      opcode: at === 0 ? text : continuation,
      payload: payload.subarray(at * size, (at + 1) * size),
      isFinal: (at + 1) * size >= payload.length,
    }),
  );
const closing = (code: number, reason: string | Buffer = ''): Buffer => {
  const payload = Buffer.concat([Buffer.alloc(2), Buffer.from(reason)]);
  payload.writeUInt16BE(code, 0);
  return rawFrame({ opcode: close, payload });
};

/** Returns the text of the last echo. */
const echoIn = (peer: RawPeer): unknown =>
  (
    peer.messages().findLast(({ type }) => type === 'unsubscribed') as
      | { readonly worker?: unknown }
      | undefined
  )?.worker;

/** The first and last code points of each length, neighbours of surrogates and of the end, and noncharacters. */
const VALID = [
  'ceba e1bdb9 cf83 cebc ceb5',
  '7f',
  'c280',
  'dfbf',
  'e0a080',
  'ed9fbf',
  'ee8080',
  'efbfbd',
  'efbfbe',
  'efbfbf',
  'f0908080',
  'f09fbfbe',
  'f09fbfbf',
  'f48fbfbe',
  'f48fbfbf',
];
/** Lone, missing and overlong sequences, surrogates, and values beyond the last code point. */
const INVALID = [
  '80',
  'bf',
  '80bf80bf',
  'c0',
  'c1',
  'dfdf',
  'e0a0',
  'efbf',
  'f09080',
  'f7bfbf',
  'fe',
  'ff',
  'fefeffff',
  'c0af',
  'c080',
  'c1bf',
  'e080af',
  'e08080',
  'e09fbf',
  'f08080af',
  'f0808080',
  'f08fbfbf',
  'eda080',
  'edadbf',
  'edae80',
  'edafbf',
  'edb080',
  'edbfbf',
  'eda080edb080',
  'edafbfedbfbf',
  'f4908080',
  'f5808080',
  'f888808080',
  'fc8480808080',
  'fbbfbfbfbf',
  'fdbfbfbfbfbf',
  'ceba e1bdb9 cf83 cebc ceb5 eda080 656469746564',
];

/** Declares the tests. `serve` starts a server and returns the URL of a stream; `suffix` ends the titles. */
export const testConformance = (serve: (t: ExecutionContext) => Promise<string>, suffix = ''): void => {
  test(`P23: RFC 6455, 5.5: a ping is answered with its payload, a pong is not answered${suffix}`, async (t) => {
    const url = await serve(t);
    const open = (): Promise<RawPeer> => RawPeer.open(url);
    for (const payload of [
      Buffer.alloc(0),
      Buffer.from('Hello'),
      Buffer.alloc(125, 0xfe),
      bytes('00ff fe fd fc fb 00 ff'),
    ]) {
      const peer = await open();
      await peer.send(rawFrame({ opcode: pong, payload: Buffer.from('unsolicited') }));
      await peer.send(rawFrame({ opcode: ping, payload }), textOf(message('after')));
      await peer.received('unsubscribed');
      const pongs = peer.frames.filter(({ opcode }) => opcode === pong);
      t.deepEqual(
        pongs.map((frame) => frame.payload),
        [payload],
      );
      await peer.send(closing(1000));
      t.is(await peer.closed, 1000);
    }
    // byte by byte, and ten at once
    const slow = await open();
    for (const byte of rawFrame({ opcode: ping, payload: Buffer.from('slowly') }))
      await slow.send(Buffer.from([byte]));
    for (let at = 0; at < 10; at++) await slow.send(rawFrame({ opcode: ping, payload: Buffer.from([at]) }));
    await slow.send(textOf(message('after')));
    await slow.received('unsubscribed');
    const pongs = slow.frames
      .filter(({ opcode }) => opcode === pong)
      .map(({ payload }) => payload.toString('latin1'));
    t.deepEqual(pongs, ['slowly', ...Array.from({ length: 10 }, (_, at) => String.fromCharCode(at))]);
    slow.socket.destroy();
  });

  test(`P23: RFC 6455, 5.2: reserved bits and opcodes, long and fragmented control frames are closed with 1002${suffix}`, async (t) => {
    const url = await serve(t);
    const open = (): Promise<RawPeer> => RawPeer.open(url);
    const cases: (readonly [string, ...Buffer[]])[] = [
      ['a ping of 126 bytes', rawFrame({ opcode: ping, payload: Buffer.alloc(126) })],
      ['a close of 126 bytes', rawFrame({ opcode: close, payload: Buffer.alloc(126, 3) })],
      ['a ping in pieces', rawFrame({ opcode: ping, payload: Buffer.alloc(1), isFinal: false })],
      ['a pong in pieces', rawFrame({ opcode: pong, payload: Buffer.alloc(1), isFinal: false })],
      ['a close in pieces', rawFrame({ opcode: close, payload: Buffer.alloc(2), isFinal: false })],
      ['a continuation of nothing', rawFrame({ opcode: continuation, payload: message('x') })],
      [
        'a continuation of nothing, not the last',
        rawFrame({ opcode: continuation, payload: message('x'), isFinal: false }),
      ],
      [
        'a message within another',
        rawFrame({ opcode: text, payload: Buffer.from('{'), isFinal: false }),
        textOf(message('x')),
      ],
      [
        'a continuation after the last',
        ...inFrames(message('x'), 8),
        rawFrame({ opcode: continuation, payload: message('x') }),
      ],
    ];
    for (const reserved of [1, 2, 3, 4, 5, 6, 7])
      for (const [name, opcode] of Object.entries(OPCODE))
        cases.push([
          `reserved bits ${reserved} on ${name}`,
          rawFrame({ opcode, payload: Buffer.alloc(2, 3), reserved }),
        ]);
    for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
      for (const length of [0, 5])
        cases.push([`opcode ${opcode}`, rawFrame({ opcode, payload: Buffer.alloc(length, 0x20) })]);
    for (const [what, ...frames] of cases) {
      const peer = await open();
      await peer.send(...frames);
      t.is(await peer.closed, PROTOCOL_ERROR, what);
    }
    t.true(cases.length > 70);
  });

  test(`P23: RFC 6455, 5.4: fragments of any size are one message, with control frames between them${suffix}`, async (t) => {
    const url = await serve(t);
    const open = (): Promise<RawPeer> => RawPeer.open(url);
    const worker = 'grün-κόσμε-🙂-'.repeat(6);
    for (const size of [1, 2, 3, 7, 64, 1_000]) {
      const frames = inFrames(message(worker), Math.max(size, Math.ceil(message(worker).length / 60)));
      const peer = await open();
      for (const frame of frames) {
        await peer.send(frame);
        await peer.send(rawFrame({ opcode: ping, payload: Buffer.from('between') }));
      }
      await peer.received('unsubscribed');
      t.is(echoIn(peer), worker, `${size}`);
      peer.socket.destroy();
    }
    // empty fragments count as well
    const peer = await open();
    const empty = { payload: Buffer.alloc(0), isFinal: false };
    await peer.send(
      rawFrame({ opcode: text, ...empty }),
      rawFrame({ opcode: continuation, ...empty }),
      rawFrame({ opcode: continuation, payload: message('empty before') }),
    );
    await peer.received('unsubscribed');
    t.is(echoIn(peer), 'empty before');
    // a binary message is valid in RFC 6455, but not in this protocol
    await peer.send(rawFrame({ opcode: binary, payload: message('binary') }));
    await peer.received('INVALID_REQUEST');
    peer.socket.destroy();
  });

  test(`P23: RFC 6455, 8.1: text must be UTF-8, in any fragmentation; other bytes are closed with 1007${suffix}`, async (t) => {
    const url = await serve(t);
    const open = (): Promise<RawPeer> => RawPeer.open(url);
    for (const hex of VALID) {
      const worker = bytes(hex);
      for (const frames of [[textOf(message(worker))], inFrames(message(worker), 1)]) {
        const peer = await open();
        await peer.send(...frames);
        await peer.received('unsubscribed');
        t.is(echoIn(peer), worker.toString(), hex);
        peer.socket.destroy();
      }
    }
    for (const hex of INVALID)
      for (const frames of [
        [textOf(message(bytes(hex)))],
        inFrames(message(bytes(hex)), 1),
        [textOf(bytes(hex))],
      ]) {
        const peer = await open();
        await peer.send(...frames);
        t.is(await peer.closed, NO_TEXT, hex);
      }
  });

  test(`P23: RFC 6455, 7.4: a close is answered with its code, an invalid code with 1002${suffix}`, async (t) => {
    const url = await serve(t);
    const open = (): Promise<RawPeer> => RawPeer.open(url);
    const cases: (readonly [string, Buffer, number | null])[] = [
      ['no code', rawFrame({ opcode: close, payload: Buffer.alloc(0) }), null],
      ['half a code', rawFrame({ opcode: close, payload: Buffer.from([3]) }), PROTOCOL_ERROR],
      ['a reason', closing(1000, 'done'), 1000],
      ['the longest reason', closing(1000, '*'.repeat(123)), 1000],
      ['a reason that is too long', closing(1000, '*'.repeat(124)), PROTOCOL_ERROR],
      ['a reason that is no text', closing(1000, bytes('ceba eda080')), NO_TEXT],
    ];
    for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999])
      cases.push([`${code}`, closing(code), code]);
    for (const code of [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65_535])
      cases.push([`${code}`, closing(code), PROTOCOL_ERROR]);
    for (const [what, frame, code] of cases) {
      const peer = await open();
      await peer.send(frame, textOf(message('after the close')));
      t.is(await peer.closed, code, what);
      t.is(echoIn(peer), undefined, 'bytes after a close are ignored');
    }
  });
};
