import { once } from 'node:events';
import { connect } from 'node:net';

/*
 * A process of its own that opens streams, and reads of each only what says that it is on. `go` on its standard input
 * makes the first of them read everything to the end, and say how many bytes that was.
 */

const [port = '', path = '', count = ''] = process.argv.slice(2);
const request = `GET ${path} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n`;

const open = async () => {
  const socket = connect({ port: Number(port), host: '127.0.0.1' });
  await once(socket, 'connect');
  socket.write(request);
  await once(socket, 'readable');
  return socket;
};

const sockets = [];
for (let at = 0; at < Number(count); at += 50)
  sockets.push(...(await Promise.all(Array.from({ length: 50 }, open))));
process.stdout.write('stalled\n');

await once(process.stdin, 'data');
const [first] = sockets;
const last = process.argv[5] as string;
let text = '';
for await (const piece of first ?? []) {
  text = text.slice(-last.length) + String(piece);
  if (text.includes(last)) break;
}
process.stdout.write('whole\n');
process.exit(0);
