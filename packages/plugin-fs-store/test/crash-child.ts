import { writeSync } from 'node:fs';
import { silentLogger } from '@worker-runtime/core';
import { fileStore } from '../src/index.ts';
import { blobAt, keyAt, lineAt } from './crash-lines.ts';

/** Commits at full speed to many logs, and reports every acknowledgement over a pipe, until it is killed. */
const [dir = '', policy = 'commit', round = '0'] = process.argv.slice(2);
const LOGS = 48;

/** Writes a whole line synchronously, even if the parent reads slowly. A partial line would be lost with the process. */
const report = (text: string): void => {
  const bytes = Buffer.from(`${text}\n`);
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(1, bytes, done);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
};

const store = fileStore({
  dir,
  durability: policy === 'commit' ? 'commit' : { intervalMs: 10 },
  // The sizes are small, so that kills also hit segment changes, checkpoints and retirements.
  segmentBytes: 131_072,
  checkpointBytes: 262_144,
  behindBytes: 262_144,
  openFiles: 16,
});
const heads = new Map<string, { seq: number; bytes: number }>();
const { logs } = await store.open({
  log: silentLogger,
  configuration: null,
  keptKeys: 1_000,
  lost: () => {},
  snapshotOf: (log) => {
    const head = heads.get(log);
    return head && { head: { ...head }, text: `{"at":${head.seq}}` };
  },
  report: (finding) => {
    if (finding.severity !== 'info') report(`finding ${JSON.stringify(finding)}`);
  },
});
for await (const { log, head } of logs) heads.set(log, { ...head });

const batchAt = (log: string, head: { seq: number; bytes: number }, count: number) => {
  const lines: Buffer[] = [];
  const keys = [];
  let offset = head.bytes;
  for (let seq = head.seq + 1; seq <= head.seq + count; seq += 1) {
    const line = lineAt(log, seq);
    const key = keyAt(log, seq, offset);
    if (key) keys.push(key);
    lines.push(line);
    offset += line.length;
  }
  return { lines: Buffer.concat(lines), count, keys };
};

const keepBlob = async (log: string, seq: number): Promise<void> => {
  const { name, body } = blobAt(log, seq);
  await store.putBlob(log, name, body);
  report(`blob ${log} ${seq}`);
};

const work = async (log: string): Promise<never> => {
  for (let step = 0; ; step += 1) {
    const head = heads.get(log) ?? { seq: 0, bytes: 0 };
    const batch = batchAt(log, head, 1 + (step % 3));
    if (head.seq > 0 && step % 16 === 3) await keepBlob(log, head.seq);
    if (head.seq === 0) await store.create(log, { workerId: `w-${log}`, record: { log } }, batch);
    else await store.append(log, head, batch);
    heads.set(log, { seq: head.seq + batch.count, bytes: head.bytes + batch.lines.length });
    report(`at ${log} ${head.seq + batch.count}`);
  }
};

/** Creates and removes logs, one after the other. */
const churn = async (): Promise<never> => {
  for (let count = 0; ; count += 1) {
    const log = `log_${round}_${count}`;
    await store.create(log, { workerId: 'churn', record: null }, batchAt(log, { seq: 0, bytes: 0 }, 2));
    report(`at ${log} 2`);
    await keepBlob(log, 2);
    report(`removing ${log}`);
    await store.remove(log);
    report(`removed ${log}`);
  }
};

report('open');
await Promise.all([...Array.from({ length: LOGS }, (_, index) => work(`log_${index}`)), churn()]);
