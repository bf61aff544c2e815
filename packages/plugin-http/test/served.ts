import { EventEmitter, once } from 'node:events';
import { type Limits, Runtime, type RuntimePlugin } from '@worker-runtime/core';
import { Puppet } from '@worker-runtime/test-http/puppet';
import type { ExecutionContext } from 'ava';
import { type HttpListener, type HttpOptions, http } from '../src/index.ts';
import { contract } from './contract.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The parsed JSON body, if it is JSON. */
  readonly body: ReturnType<typeof JSON.parse>;
}

export interface Call {
  readonly method?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface LogLine {
  readonly level: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** A runtime with a real listener, and a client for it. */
export interface Served {
  readonly runtime: Runtime;
  readonly web: HttpListener;
  readonly puppet: Puppet;
  readonly log: readonly LogLine[];
  /** Resolves when the operator's log has this message. */
  readonly logged: (message: string) => Promise<void>;
  /** Sends a request to a path below `/v1/runtimes/self`, or to an absolute path. */
  readonly call: (path: string, call?: Call) => Promise<Answer>;
  readonly url: (path: string) => string;
}

export interface ServeOptions {
  readonly http?: HttpOptions;
  readonly limits?: Partial<Limits>;
  readonly plugins?: readonly RuntimePlugin[];
  readonly class?: typeof Runtime;
}

const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** Creates a served runtime without starting it. */
export const prepare = (t: ExecutionContext, options: ServeOptions = {}): Served => {
  const web = http({ port: 0, ...options.http });
  const puppet = new Puppet();
  const log: LogLine[] = [];
  const lines = new EventEmitter();
  const note = (level: string) => (fields: object, message: string) => {
    log.push({ level, fields: { ...fields }, message });
    lines.emit(message);
  };
  const runtime = new (options.class ?? Runtime)({
    plugins: [web, puppet.plugin(), ...(options.plugins ?? [])],
    log: { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') },
    ...(options.limits && { limits: options.limits }),
  });
  t.teardown(() => runtime.stop({ deadlineMs: 1_000 }));
  const url = (path: string): string => web.url + (path.startsWith('/') ? path : `/v1/runtimes/self/${path}`);
  return {
    runtime,
    web,
    puppet,
    log,
    async logged(message) {
      if (!log.some((line) => line.message === message)) await once(lines, message);
    },
    url,
    async call(path, { method = 'GET', body, headers = {} } = {}) {
      const hasBody = body !== undefined;
      // the listener may have closed by the time of the answer
      const target = url(path);
      const answer = await fetch(target, {
        method,
        headers: { ...(hasBody && { 'content-type': 'application/json' }), ...headers },
        ...(hasBody && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      const text = await answer.text();
      contract.assertDescribed(method, target, { status: answer.status, headers: answer.headers, text });
      return { status: answer.status, headers: answer.headers, text, body: jsonOf(text) };
    },
  };
};

/** Creates and starts a served runtime. */
export const serve = async (t: ExecutionContext, options: ServeOptions = {}): Promise<Served> => {
  const served = prepare(t, options);
  await served.runtime.start();
  return served;
};

/** Starts a served runtime and creates the Worker `ada`. */
export const serveAda = async (t: ExecutionContext, options: ServeOptions = {}): Promise<Served> => {
  const served = await serve(t, options);
  await served.runtime.createWorker({ engine: 'puppet', workerId: 'ada' });
  return served;
};

/** Asserts that an answer is a problem with all fields. */
export const isProblem = (t: ExecutionContext, answer: Answer, status: number, code: string): void => {
  t.is(answer.status, status, answer.text);
  t.regex(answer.headers.get('content-type') ?? '', /^application\/problem\+json/);
  const { body } = answer;
  t.is(body.code, code);
  t.is(body.status, status);
  t.is(body.type, `urn:worker-runtime:error:${code.toLowerCase().replaceAll('_', '-')}`);
  t.is(typeof body.title, 'string');
  t.is(typeof body.detail, 'string');
  t.is(typeof body.retryable, 'boolean');
  t.is(body.correlationId, answer.headers.get('x-request-id'));
  t.deepEqual(Object.keys(body).sort(), [
    'code',
    'correlationId',
    'detail',
    'details',
    'retryable',
    'status',
    'title',
    'type',
  ]);
};
