import test from 'ava';
import { makeDirectory, removeDirectory } from './directory.ts';
import { Writer } from './writer.ts';

const LOGS = 1_200;

test('P23: in a long queue, work in progress goes before new work, and new work is not held back for good', async (t) => {
  const dir = await makeDirectory();
  const { store } = await new Writer({ dir }, new Map()).open();
  const log = (at: number): string => `log_${String(at).padStart(6, '0')}`;
  const line = (seq: number): Buffer => Buffer.from(`{"seq":${seq},"text":"x"}\n`);
  const one = line(1).length;
  await Promise.all(
    Array.from({ length: LOGS }, (_, at) =>
      store.create(log(at), { workerId: `w${at}`, record: null }, { lines: line(1), count: 1 }),
    ),
  );
  const order: string[] = [];
  const append = async (at: number, seq: number, name: string, isBeginning: boolean): Promise<void> => {
    const after = { seq: seq - 1, bytes: one * (seq - 1) };
    await store.append(log(at), after, { lines: line(seq), count: 1, ...(isBeginning && { isBeginning }) });
    order.push(name);
  };
  const half = LOGS / 2;
  const all: Promise<void>[] = [];
  // all at once: a group holds a fifth of them
  for (let at = 0; at < half; at += 1) all.push(append(at, 2, 'new', true));
  for (let at = half; at < LOGS; at += 1) all.push(append(at, 2, 'ongoing', false));
  await Promise.all(all);
  const lastOngoing = order.lastIndexOf('ongoing');
  t.true(order.slice(lastOngoing).filter((name) => name === 'new').length > 256, 'new work waited');

  order.length = 0;
  // work in progress that never ends
  let isOver = false;
  const busy = Array.from({ length: half + 200 }, async (_, at) => {
    for (let seq = 3; !isOver && seq < 9; seq += 1)
      await append(at + half - 200, seq, 'ongoing', false).catch(() => {});
  });
  const late = Array.from({ length: 300 }, (_, at) => append(at, 3, 'new', true));
  await Promise.all(late);
  isOver = true;
  await Promise.all(busy);
  t.true(order.indexOf('new') < order.length / 2);
  await store.close();
  await removeDirectory(dir);
});
