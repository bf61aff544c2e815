/** A backend on a free port, with its files in a folder of the test. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { engine, inputText, type Logger, Runtime, type RuntimePlugin } from '@worker-runtime/core';
import { scriptedEngine } from '@worker-runtime/core/testing';
import { http } from '@worker-runtime/plugin-http';
import { wsObservation } from '@worker-runtime/plugin-ws';
import { Identity } from '@worker-runtime/registry';
import type { ExecutionContext } from 'ava';
import { Backend, type BackendConfig, type BackendHost, type Person } from '../src/index.ts';

export const OPERATOR: Person = { name: 'root', groups: ['operators'] };

/** An engine that repeats its input. */
export const parrot = (): RuntimePlugin => ({
  name: 'parrot',
  apply: (host) =>
    host.useEngine(
      engine('parrot', async function* (run) {
        yield { type: 'text', text: inputText(run.input) };
      }),
    ),
});

/** An engine with tools. */
export const scripted = (): RuntimePlugin => ({
  name: 'scripted',
  apply: (host) => host.useEngine(scriptedEngine()),
});

export const makeFolder = async (t: ExecutionContext): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'worker-runtime-backend-'));
  t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
};

/** Starts a backend. The test may stop it itself. */
export const start = async (
  t: ExecutionContext,
  folder: string,
  config: BackendConfig = {},
  host: BackendHost = {},
): Promise<Backend> => {
  const { workspaces = { default: {} }, ...rest } = config;
  const backend = await Backend.start(
    {
      listen: { port: 0 },
      dataDir: folder,
      ...rest,
      workspaces: Object.fromEntries(
        Object.entries(workspaces).map(([id, workspace]) => [id, { plugins: [parrot()], ...workspace }]),
      ),
    },
    { folder, ...host },
  );
  t.teardown(() => backend.stop());
  return backend;
};

/** Starts a runtime that accepts the identity of the backend with these files. */
export const startRemote = async (
  t: ExecutionContext,
  folder: string,
  plugins: readonly RuntimePlugin[] = [],
) => {
  await mkdir(join(folder, 'backend'), { recursive: true });
  const identity = await Identity.at(join(folder, 'backend', 'signing.jwk'), 'backend');
  const issuerFile = join(folder, 'issuers.json');
  await writeFile(issuerFile, JSON.stringify([{ ...identity.entry, permission: 'admin' }]), { mode: 0o600 });
  const web = http({ port: 0, issuerFile });
  const runtime = await Runtime.start({ plugins: [web, wsObservation({ on: web }), parrot(), ...plugins] });
  t.teardown(() => runtime.stop({ deadlineMs: 500 }));
  return { runtime, url: web.url, runtimeId: runtime.runtimeId };
};

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: ReturnType<typeof JSON.parse>;
}

/** Sends a request. A body that is not text is sent as JSON. */
export const send = async (
  url: string,
  method = 'GET',
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> => {
  const answer = await fetch(url, {
    method,
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await answer.text();
  return {
    status: answer.status,
    headers: answer.headers,
    text,
    body: /^[{[]/.test(text) ? JSON.parse(text) : null,
  };
};

/** A person who is logged in, with a browser's cookie and Origin. */
export class Browser {
  readonly url: string;
  readonly cookie: string;

  constructor(url: string, cookie: string) {
    this.url = url;
    this.cookie = cookie;
  }

  static async login(backend: Backend, person: Person = OPERATOR): Promise<Browser> {
    const [, code] = backend.link(person).split('#');
    const answer = await send(`${backend.url}/v1/session`, 'POST', { code }, { origin: backend.url });
    if (answer.status !== 201) throw new Error(answer.text);
    return new Browser(backend.url, (answer.headers.get('set-cookie') ?? '').split(';')[0] ?? '');
  }

  get headers(): Readonly<Record<string, string>> {
    return { cookie: this.cookie, origin: this.url };
  }

  send(path: string, method = 'GET', body?: unknown): Promise<Answer> {
    return send(this.url + path, method, body, this.headers);
  }

  /** Creates an API token. */
  async token(request: object = { name: 'program', permission: 'admin' }): Promise<string> {
    const { status, body, text } = await this.send('/v1/tokens', 'POST', request);
    if (status !== 201) throw new Error(text);
    return body.token;
  }
}

/** A log that keeps its lines as text. */
export const keptLog = (): { readonly log: Logger; readonly lines: string[] } => {
  const lines: string[] = [];
  const note = (level: string) => (fields: object, message: string) => {
    const { err, ...rest } = fields as { readonly err?: unknown };
    lines.push(`${level} ${message} ${JSON.stringify(rest)} ${err instanceof Error ? err.stack : ''}`);
  };
  return {
    lines,
    log: { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') },
  };
};
