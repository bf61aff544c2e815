// An audit log: one line for each event, written after the event is stored.
import { createWriteStream, type WriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import type { RuntimePlugin } from '@worker-runtime/core';

export const auditLog = ({ file }: { readonly file: string }): RuntimePlugin => ({
  name: 'audit-log',
  apply(host) {
    let log: WriteStream | undefined;
    host.hooks.start.tapPromise(async () => {
      const stream = createWriteStream(file, { flags: 'a' });
      log = stream;
      host.defer(() => finished(stream.end()));
    });
    host.hooks.committed.tap(({ workerId, events }) => {
      for (const { seq, time, type } of events) log?.write(`${time} ${workerId} ${seq} ${type}\n`);
    });
  },
});
