import { EventEmitter, once } from 'node:events';
import { type Limits, Runtime, type RuntimePlugin } from '@worker-runtime/core';
import type { RawPage } from '@worker-runtime/core/plugin-kit';
import { type HttpListener, type HttpOptions, http } from '@worker-runtime/plugin-http';
import type { ExecutionContext } from 'ava';
import { type WsLimits, wsObservation } from '../src/index.ts';
import { Speaker } from './speaker.ts';

export interface LogLine {
  readonly level: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** A runtime with a real listener that accepts WebSockets. */
export interface Served {
  readonly runtime: Runtime;
  readonly web: HttpListener;
  readonly speaker: Speaker;
  readonly log: readonly LogLine[];
  /** Resolves when the operator's log has this message the given number of times. */
  readonly logged: (message: string, times?: number) => Promise<void>;
  /** Returns the URL of the stream. */
  readonly url: () => string;
}

export interface ServeOptions {
  readonly ws?: WsLimits;
  readonly http?: HttpOptions;
  readonly limits?: Partial<Limits>;
  readonly plugins?: readonly RuntimePlugin[];
}

export const STREAM = '/v1/runtimes/self/stream';

export const prepare = (t: ExecutionContext, options: ServeOptions = {}): Served => {
  const web = http({ port: 0, ...options.http });
  const speaker = new Speaker();
  const log: LogLine[] = [];
  const lines = new EventEmitter();
  const note = (level: string) => (fields: object, message: string) => {
    log.push({ level, fields: { ...fields }, message });
    lines.emit(message);
  };
  const runtime = new Runtime({
    plugins: [...(options.plugins ?? []), web, wsObservation({ on: web, ...options.ws }), speaker.plugin()],
    log: { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') },
    ...(options.limits && { limits: options.limits }),
  });
  t.teardown(() => runtime.stop({ deadlineMs: 1_000 }));
  return {
    runtime,
    web,
    speaker,
    log,
    async logged(message, times = 1) {
      while (log.filter((line) => line.message === message).length < times) await once(lines, message);
    },
    url: () => web.url.replace('http', 'ws') + STREAM,
  };
};

/** Starts a served runtime and creates the Worker `ada`. */
export const serve = async (t: ExecutionContext, options: ServeOptions = {}): Promise<Served> => {
  const served = prepare(t, options);
  await served.runtime.start();
  await served.runtime.createWorker({ engine: 'speaker', workerId: 'ada' });
  return served;
};

/** Sends an input and waits for its run. */
export const job = async ({ runtime }: Served, text: string, worker = 'ada'): Promise<void> => {
  const { run } = await runtime.sendInput(worker, { text, whenBusy: 'queue' }, { waitMs: 20_000 });
  if (!run) throw new Error('the run has not finished');
};

/** Returns the stored lines of a log. */
export const stored = async ({ runtime }: Served, worker = 'ada'): Promise<readonly string[]> => {
  let text = '';
  for (let after: string | null = 'start'; after !== null; ) {
    const { lines, next }: RawPage = await runtime.readEvents(worker, { after, limit: 1_000 });
    text += Buffer.from(lines).toString();
    after = next;
  }
  return text.trimEnd().split('\n');
};
