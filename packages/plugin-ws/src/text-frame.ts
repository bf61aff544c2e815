/**
 * The head of a WebSocket message in one frame, as a server sends it: FIN and text, the length, no mask (RFC 6455, 5.2).
 * Messages are framed here, and not by `ws`, so that all subscribers are sent the same bytes in one write each; `ws`
 * keeps the handshake, what clients send, pings and the close.
 */
const TEXT = 0x81;

const headBytes = (length: number): number => (length < 126 ? 2 : length < 65_536 ? 4 : 10);

/** A frame whose payload is still to be filled in, from `start` on. */
export const allocateTextFrame = (length: number): { readonly frame: Buffer; readonly start: number } => {
  const start = headBytes(length);
  // of its own memory: a frame that a stalled socket holds must not hold the pool that it was cut from
  const frame = Buffer.allocUnsafeSlow(start + length);
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

export const textFrameOf = (text: string): Buffer => {
  const { frame, start } = allocateTextFrame(Buffer.byteLength(text));
  frame.write(text, start);
  return frame;
};
