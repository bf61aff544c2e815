import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import {
  memoryStore,
  Runtime,
  RuntimeError,
  type RuntimePlugin,
  type RuntimeStore,
} from '@worker-runtime/core';
import { STATUS_OF } from '@worker-runtime/core/plugin-kit';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { Contract } from './contract.ts';
import { type HostileRequest, hostileRequests } from './hostile-request.ts';
import { Puppet } from './puppet.ts';
import { SEED } from './seed.ts';

/** The share of generated requests that are spare: the HTTP client of Node cannot send a few. */
const SPARE = 0.04;
const LANES = 16;

/** The token of each permission begins with it. */
export const SECRET = 'canary-token-1';
const PATH = '/srv/canary-path/worker-runtime';

/** A store that fails at intervals, with a path in the cause, like a store on a disk. */
const fragileStore = (): RuntimePlugin => {
  let calls = 0;
  const store = memoryStore();
  const fragile = new Proxy(store, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key);
      if (typeof value !== 'function') return value;
      if (key !== 'append' && key !== 'read' && key !== 'putBundle' && key !== 'bundle')
        return value.bind(target);
      const isWrite = key === 'append' || key === 'putBundle';
      return async (...args: unknown[]) => {
        calls += 1;
        if (calls % 23 === 0)
          throw new RuntimeError(isWrite && calls % 2 === 0 ? 'STORE_FULL' : 'STORE_UNAVAILABLE', undefined, {
            cause: new Error(`EIO: i/o error, open '${PATH}/events-${SECRET}.jsonl'`),
          });
        return (value as (...args: unknown[]) => unknown).apply(target, args);
      };
    },
  }) as RuntimeStore;
  return { name: 'fragile', apply: (host) => host.useStore(fragile) };
};

interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** Sends a request unchanged, even if it is malformed. Of a stream it returns the beginning. */
const send = (
  url: string,
  agent: Agent,
  { method, path, headers, body }: HostileRequest,
): Promise<Answered> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const sent = request({ hostname, port, method, path, headers, agent, setHost: true }, (answer) => {
      let text = '';
      const done = (): void =>
        resolve({
          status: answer.statusCode ?? 0,
          headers: new Headers(answer.headers as Record<string, string>),
          text,
        });
      answer.setEncoding('utf8');
      const isOpen = answer.headers['content-length'] === undefined && method !== 'HEAD';
      answer.on('data', (piece: string) => {
        text += piece;
        if (!isOpen) return;
        answer.destroy();
        done();
      });
      answer.on('end', done);
      answer.on('error', done);
    });
    sent.on('error', reject);
    sent.end(body ?? undefined);
  });

/** True if Node's HTTP client accepts the request. */
const isSendable = ({ path, headers }: HostileRequest): boolean =>
  !/[^\x21-\x7e]/.test(path) &&
  Object.values(headers).every((value) => !/[^\t\x20-\x7e\x80-\xff]/.test(value));

/** A server, and the id of a runtime there. */
export interface Front {
  readonly url: string;
  readonly runtimeId: string;
}

/** The server under test. */
export interface Fuzzed {
  /** Returns a plugin that serves a runtime to the tokens of a file. */
  readonly http: (options: { readonly port: 0; readonly tokenFile: string }) => RuntimePlugin & {
    readonly url: string;
  };
  /** Returns the server to which the requests are sent. By default, it is that of the plugin. */
  readonly front?: (t: ExecutionContext, served: Front) => Promise<Front>;
}

/**
 * Declares the test. `count` is the least number of requests that are sent. They are made from the OpenAPI document of the server, by which
 * all answers are checked.
 */
export const testFuzz = (title: string, count: number, { http, front }: Fuzzed): void => {
  test(`${title}: ${count} requests (seed ${SEED})`, async (t) => {
    t.timeout(60_000 + count * 50);
    const folder = await mkdtemp(join(tmpdir(), 'canary-path-'));
    t.teardown(() => rm(folder, { recursive: true }));
    const tokenFile = join(folder, `${SECRET}.json`);
    const tokens = (['observe', 'operate', 'admin'] as const).map((permission) => ({
      name: permission,
      sha256: createHash('sha256').update(`${SECRET}-${permission}`).digest('hex'),
      permission,
    }));
    await writeFile(tokenFile, JSON.stringify(tokens), { mode: 0o600 });
    const log: unknown[] = [];
    const note = (...line: readonly unknown[]): void => {
      log.push(line);
    };
    const web = http({ port: 0, tokenFile });
    const runtime = await Runtime.start({
      plugins: [web, new Puppet().plugin(), fragileStore()],
      log: { debug: note, info: note, warn: note, error: note },
      limits: { stopDeadlineMs: 500, stopDeadlineMaxMs: 1_000 },
    });
    t.teardown(() => runtime.stop({ deadlineMs: 1_000 }));
    const served = { url: web.url, runtimeId: runtime.runtimeId };
    const { url, runtimeId } = front ? await front(t, served) : { url: web.url, runtimeId: 'self' };
    // requests stop and delete Workers, and the store fails, so they are created again and again
    const ensure = async (workerId: string): Promise<void> => {
      await runtime
        .createWorker({
          engine: 'puppet',
          workerId,
          config: { key: SECRET, folder: PATH },
          claims: [{ name: 'docs', resource: `fs:${PATH}/${workerId}`, mode: 'write' }],
        })
        .catch(() => runtime.resumeWorker(workerId))
        .catch(() => {});
    };

    const bearer = (permission: string): string => `Bearer ${SECRET}-${permission}`;
    const authorizations = [
      bearer('admin'),
      bearer('admin'),
      bearer('admin'),
      bearer('operate'),
      bearer('observe'),
      '',
    ];
    const headers = { authorization: bearer('admin') };
    const contract = new Contract(await (await fetch(`${url}/openapi.json`, { headers })).json());
    const requests = fc
      .sample(hostileRequests(contract.document, authorizations), {
        numRuns: Math.round(count * (1 + SPARE)),
        seed: SEED,
      })
      .map((asked) => ({ ...asked, path: asked.path.replace('/runtimes/self', `/runtimes/${runtimeId}`) }))
      .filter(isSendable);
    const agent = new Agent({ keepAlive: true, maxSockets: LANES });
    t.teardown(() => agent.destroy());
    const statuses = new Map<number, number>();
    let next = 0;
    const lane = async (): Promise<void> => {
      for (let asked = requests[next++]; asked; asked = requests[next++]) {
        if (next % 40 === 0) await Promise.all(['ada', 'bob', 'carl'].map(ensure));
        const answer = await send(url, agent, asked);
        const { status, headers, text } = answer;
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        const what = `seed ${SEED}: ${inspect(asked, { breakLength: 200 }).slice(0, 1_000)} → ${status} ${text.slice(0, 500)}`;
        if (status >= 500 && status !== 503 && status !== 507) t.fail(what);
        if (/canary-(token|path)/.test(text + JSON.stringify([...headers]))) t.fail(what);
        if (status >= 400 && asked.method !== 'HEAD') {
          const problem = JSON.parse(text);
          if (STATUS_OF[problem.code as keyof typeof STATUS_OF] !== status) t.fail(what);
          if (headers.has('allow') !== (status === 405)) t.fail(what);
          if (problem.correlationId !== headers.get('x-request-id')) t.fail(what);
        }
        try {
          contract.assertDescribed(asked.method, url + asked.path, answer);
        } catch (error) {
          t.fail(`${error instanceof Error ? error.message : String(error)} ${what}`);
        }
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));

    t.log(
      [...statuses]
        .sort(([a], [b]) => a - b)
        .map(([status, count]) => `${status}: ${count}`)
        .join(', '),
    );
    t.true(requests.length >= count, `${requests.length} were sent`);
    for (const status of [200, 201, 202, 400, 401, 403, 404, 405, 406, 409, 415, 422])
      t.true((statuses.get(status) ?? 0) > 0, `no ${status}: the generated requests are too harmless`);

    // no Worker, event or page of this runtime has a secret, and the server still works
    const workers = (await runtime.listWorkers({ limit: 100 })).items.flatMap(({ workerId }) => [
      `/v1/runtimes/self/workers/${workerId}`,
      `/v1/runtimes/self/workers/${workerId}/events?limit=1000`,
    ]);
    const pages = [
      '/v1/runtimes/self',
      '/v1/runtimes/self/diagnostics?limit=1000',
      '/metrics',
      '/openapi.json',
    ];
    for (const path of [...pages, ...workers]) {
      const answer = await fetch(web.url + path, { headers });
      t.is(answer.status, 200, path);
      t.notRegex(await answer.text(), new RegExp(`canary-(token|path)|${Puppet.secret}`), path);
    }
    // the operator's log may contain paths, but no tokens
    const tokensLogged = inspect(log, { depth: 6 }).match(/canary-token-1-(observe|operate|admin)/);
    t.is(tokensLogged, null);
  });
};
