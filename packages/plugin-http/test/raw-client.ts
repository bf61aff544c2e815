import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** Opens a bare connection, for bytes that no HTTP client would send. */
export const connectTo = async (url: string, allowHalfOpen = false): Promise<Socket> => {
  const { hostname, port } = new URL(url);
  const socket = connect({ port: Number(port), host: hostname, allowHalfOpen });
  await once(socket, 'connect');
  return socket;
};

/** Returns everything that arrives until the peer closes the connection. */
export const restOf = async (socket: Socket): Promise<string> => {
  let text = '';
  socket.setEncoding('utf8');
  socket.on('data', (piece: string) => {
    text += piece;
  });
  // a reset after the answer also ends the connection
  socket.on('error', () => {});
  if (!socket.closed) await new Promise<unknown>((resolve) => socket.once('close', resolve));
  return text;
};

/** Sends bytes and reads until the connection ends. */
export const exchange = async (url: string, bytes: string): Promise<string> => {
  const socket = await connectTo(url);
  const rest = restOf(socket);
  socket.write(bytes);
  return rest;
};

/** Returns the status and the error code of a raw answer. */
export const problemIn = (text: string): { readonly status: number; readonly code: string } => {
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]);
  const { code } = JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)) as { readonly code: string };
  return { status, code };
};
