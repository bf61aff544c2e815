import { once } from 'node:events';
import { connect } from 'node:net';

/*
 * Runs as a process of its own. It opens streams and reads only the beginning of each. A line on its standard input
 * makes the first stream read until the text in the last argument has arrived; then it prints `whole`.
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
