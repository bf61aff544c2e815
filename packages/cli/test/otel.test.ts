import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createSocketServer, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import test, { type ExecutionContext } from 'ava';
import { makePlace, request, serve } from './program.ts';

interface ReceivedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly attributes: readonly { readonly key: string; readonly value: { readonly stringValue?: string } }[];
}

interface Received {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: ReceivedSpan['attributes'] };
    readonly scopeSpans: readonly { readonly spans: readonly ReceivedSpan[] }[];
  }[];
}

const attributeOf = (attributes: ReceivedSpan['attributes'], name: string): string | undefined =>
  attributes.find(({ key }) => key === name)?.value.stringValue;

/** A collector that takes spans as OTLP over HTTP, in JSON. */
class Collector {
  readonly spans: ReceivedSpan[] = [];
  readonly services = new Set<string | undefined>();
  readonly paths = new Set<string | undefined>();
  readonly #server: Server;
  #notify: () => void = () => {};

  constructor(t: ExecutionContext) {
    this.#server = createServer((incoming, answer) => void this.#receive(incoming, answer));
    t.teardown(() => {
      this.#server.closeAllConnections();
      this.#server.close();
    });
  }

  async #receive(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    this.paths.add(incoming.url);
    const { resourceSpans } = JSON.parse(await text(incoming)) as Received;
    for (const { resource, scopeSpans } of resourceSpans) {
      this.services.add(attributeOf(resource.attributes, 'service.name'));
      for (const { spans } of scopeSpans) this.spans.push(...spans);
    }
    answer.setHeader('content-type', 'application/json').end('{}');
    this.#notify();
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Resolves when as many spans have come. */
  async has(count: number): Promise<void> {
    while (this.spans.length < count)
      await new Promise<void>((resolve) => {
        this.#notify = resolve;
      });
  }
}

const PLUGINS = ['--plugin', 'fs-store', '--plugin', 'echo', '--plugin', 'otel'];

test('P81: a server sends the spans of each run once to a collector, over a kill and a stop', async (t) => {
  const place = await makePlace(t);
  const collector = new Collector(t);
  const variables = {
    OTEL_EXPORTER_OTLP_ENDPOINT: await collector.listen(),
    OTEL_BSP_SCHEDULE_DELAY: '50',
    OTEL_SERVICE_NAME: 'agents',
  };
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
  const send = async (url: string, worker: string, traceparent?: string, headers = {}) => {
    const { body } = await request<{ runId: string }>(
      url,
      'POST',
      `/workers/${worker}/inputs`,
      { text: 'canary-5e6f0b' },
      { ...headers, ...(traceparent && { traceparent }) },
    );
    return body.runId;
  };
  const first = await serve(t, place, PLUGINS, variables);
  await request(first.url, 'POST', '/workers', { workerId: 'quick', engine: 'echo' });
  await request(first.url, 'POST', '/workers', { workerId: 'hung', engine: 'echo', config: { hang: true } });
  const done = await send(first.url, 'quick', `00-${traceId}-00f067aa0ba902b7-01`);
  await collector.has(1);
  const cut = await send(first.url, 'hung');
  first.program.kill('SIGKILL');
  await first.program.ended;

  const second = await serve(t, place, PLUGINS, variables);
  await collector.has(2);
  const last = await send(second.url, 'quick', undefined, { prefer: 'wait=10' });
  second.program.kill('SIGTERM');
  t.is((await second.program.ended).code, 0);

  const third = await serve(t, place, PLUGINS, variables);
  third.program.kill('SIGTERM');
  t.is((await third.program.ended).code, 0);
  t.deepEqual(
    collector.spans.map(({ name, attributes }) => [
      name,
      attributeOf(attributes, 'worker_runtime.run.id'),
      attributeOf(attributes, 'worker_runtime.run.outcome'),
    ]),
    [
      ['invoke_agent echo', done, 'completed'],
      ['invoke_agent echo', cut, 'interrupted'],
      ['invoke_agent echo', last, 'completed'],
    ],
  );
  const [parented] = collector.spans;
  t.deepEqual([parented?.traceId, parented?.parentSpanId], [traceId, '00f067aa0ba902b7']);
  t.deepEqual([[...collector.services], [...collector.paths]], [['agents'], ['/v1/traces']]);
  t.false(JSON.stringify(collector.spans).includes('canary-5e6f0b'));
});

/** Accepts connections and never answers. */
const silentServer = async (t: ExecutionContext): Promise<string> => {
  const sockets = new Set<Socket>();
  const server = createSocketServer((socket) => sockets.add(socket.on('error', () => {})));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

const TROUBLES = [
  { what: 'does not exist', endpointOf: async () => 'http://127.0.0.1:9', timeoutMs: 300 },
  // the exporter still waits when the server stops
  { what: 'never answers', endpointOf: silentServer, timeoutMs: 600_000 },
];

for (const { what, endpointOf, timeoutMs } of TROUBLES)
  test(`P81: a collector that ${what} disturbs no run and no stop`, async (t) => {
    const place = await makePlace(t);
    const { program, url } = await serve(t, place, PLUGINS, {
      OTEL_EXPORTER_OTLP_ENDPOINT: await endpointOf(t),
      OTEL_BSP_SCHEDULE_DELAY: '50',
      OTEL_EXPORTER_OTLP_TIMEOUT: String(timeoutMs),
    });
    await request(url, 'POST', '/workers', { workerId: 'w', engine: 'echo' });
    for (let at = 0; at < 3; at += 1) {
      const { body } = await request<{ run: { outcome: string } }>(
        url,
        'POST',
        '/workers/w/inputs',
        { text: 'go' },
        { prefer: 'wait=10' },
      );
      t.is(body.run.outcome, 'completed');
    }
    if (timeoutMs < 1_000) await program.prints(/OpenTelemetry reports a problem/, 'stderr');
    program.kill('SIGTERM');
    t.is((await program.ended).code, 0);
  });
