// The agent. It reads one line and writes an answer that ends with a newline. It does not depend on the runtime.
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'crash') process.exit(1);
  const [, count = '0'] = line.split(' ');
  for (let number = 1; number <= Number(count); number++) {
    process.stdout.write(`${number} `);
    await delay(5);
  }
  process.stdout.write('\n');
}
