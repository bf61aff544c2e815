import { ReusedMemory } from '@worker-runtime/core/plugin-kit';

/**
 * The first byte of a text message in one frame: FIN and the opcode for text (RFC 6455, 5.2). Frames of a server have no
 * mask. The plugin builds the frames itself, so that all subscribers get the same bytes in one write each. `ws` does the
 * rest: the handshake, the frames of clients, pings and the close.
 */
const TEXT = 0x81;

const headBytes = (length: number): number => (length < 126 ? 2 : length < 65_536 ? 4 : 10);

/**
 * The memory of frames. Each frame has holders: the cache, and the sockets that send it. A socket releases a frame when it has left
 * the process, and forgets it in any other case.
 */
export const frameMemory = new ReusedMemory(49_152, 32_768, 8);

/** Allocates a frame for a payload of this length, which the caller fills in from `start`, and holds. */
export const allocateTextFrame = (length: number): { readonly frame: Buffer; readonly start: number } => {
  const start = headBytes(length);
  const frame = frameMemory.take(start + length);
  frame[0] = TEXT;
  if (start === 2) frame[1] = length;
  else if (start === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  return { frame, start };
};

/** Encodes a text as one frame. */
export const textFrameOf = (text: string): Buffer => {
  const { frame, start } = allocateTextFrame(Buffer.byteLength(text));
  frame.write(text, start);
  return frame;
};
