// The agent: one line in, an answer out, and an empty line at its end. It knows nothing of the runtime.
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
