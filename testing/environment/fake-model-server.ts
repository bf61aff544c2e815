import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout } from 'node:timers/promises';

/** The time between the last data of a raw answer and the cut of its connection. */
const CUT_MS = 300;
/** The time for which an idle connection stays open. A client that is starved reuses one late, and must find it open. */
const KEEP_ALIVE_MS = 600_000;

/** A piece of a model's answer, or a way in which its server misbehaves. */
export type Piece =
  | { readonly text: string }
  | { readonly reasoning: string }
  | { readonly call: string; readonly input: unknown; readonly id?: string }
  /** A call that the provider makes itself, with a tool of its own. Only for the Anthropic protocol. */
  | { readonly providerCall: string }
  /** Reasoning that the provider encrypts. Only for the Anthropic protocol. */
  | { readonly redacted: string }
  /** Waits until the test continues. */
  | { readonly until: Promise<void> }
  /** Sends one byte at each interval of so many milliseconds, never a whole line, until the client disconnects. */
  | { readonly drip: number }
  /** Sends so many bytes, of one endless line or of text. */
  | { readonly flood: number; readonly of: 'line' | 'text' }
  /** Sends an error inside the stream. */
  | { readonly error: string }
  /**
   * Breaks the connection (`cut`), or closes it normally (`end`), before the answer is complete; or sends nothing more.
   */
  | 'cut'
  | 'end'
  | 'hang';

/** A piece of a body that is written as it is. */
export type RawPiece =
  | string
  /** Sends a text so many times, with pauses. */
  | { readonly repeat: string; readonly times: number; readonly everyMs: number }
  | { readonly until: Promise<void> }
  /** Breaks the connection, or sends nothing more. */
  | { readonly end: 'cut' | 'hang' };

export type Reply =
  | readonly Piece[]
  /** A body that is written as it is, with status 200. */
  | {
      readonly raw: readonly RawPiece[];
      readonly contentType?: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  | {
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    };

export interface ReceivedRequest {
  readonly protocol: 'openai' | 'anthropic';
  readonly headers: IncomingMessage['headers'];
  readonly body: Readonly<Record<string, unknown>>;
  /** The body as it was sent. */
  readonly text: string;
  /** The conversation in a form that is the same for both protocols, with one line for each part. */
  readonly lines: readonly string[];
  readonly tools: readonly string[];
  /** The text of the last line. */
  readonly last: string;
  /** Resolves when the client has disconnected or the answer has ended. */
  readonly closed: Promise<void>;
}

export type Answer = (request: ReceivedRequest) => Reply | Promise<Reply>;

const USAGE = { input: 100, cached: 40, output: 7 };

type Part = Readonly<Record<string, unknown>>;
const partsOf = (content: unknown): readonly Part[] =>
  typeof content === 'string' ? [{ type: 'text', text: content }] : ((content ?? []) as readonly Part[]);

/** Describes bytes: `<image/png 8 bytes>`. */
const bytesText = (mediaType: unknown, base64: string): string =>
  `<${String(mediaType)} ${Buffer.from(base64, 'base64').length} bytes>`;

const openAiText = (part: Part): string => {
  const {
    image_url: image,
    file,
    input_audio: audio,
  } = part as Readonly<Record<string, Readonly<Record<string, string>> | undefined>>;
  const [, mediaType, base64 = ''] =
    /^data:([^;]*);base64,(.*)$/s.exec(image?.url ?? file?.file_data ?? '') ?? [];
  if (mediaType !== undefined) return bytesText(mediaType, base64);
  return audio ? bytesText(`audio/${audio.format}`, audio.data ?? '') : String(part.text);
};

const anthropicText = ({ source, text }: Part): string => {
  const { media_type: mediaType, data: base64 } = (source ?? {}) as Readonly<Record<string, string>>;
  return mediaType === undefined ? String(text) : bytesText(mediaType, base64 ?? '');
};

const openAiLines = (messages: readonly Part[]): string[] =>
  messages.flatMap(
    ({ role, content, tool_calls: calls, tool_call_id: call, reasoning_content: reasoning }) => [
      ...(typeof reasoning === 'string' ? [`${String(role)} thinks: ${reasoning}`] : []),
      ...partsOf(content).map((part) =>
        role === 'tool'
          ? `tool ${String(call)}: ${openAiText(part)}`
          : `${String(role)}: ${openAiText(part)}`,
      ),
      ...((calls ?? []) as readonly { id: string; function: { name: string; arguments: string } }[]).map(
        ({ id, function: { name, arguments: input } }) => `assistant calls ${id} ${name}(${input})`,
      ),
    ],
  );

const anthropicLines = (messages: readonly Part[]): string[] =>
  messages.flatMap(({ role, content }) =>
    partsOf(content).map((part) => {
      if (part.type === 'tool_use')
        return `assistant calls ${String(part.id)} ${String(part.name)}(${JSON.stringify(part.input)})`;
      if (part.type === 'thinking')
        return `${String(role)} thinks (${String(part.signature)}): ${String(part.thinking)}`;
      if (part.type === 'redacted_thinking') return `${String(role)} thinks ${String(part.data)}`;
      if (part.type === 'tool_result')
        return `tool ${String(part.tool_use_id)}: ${partsOf(part.content)
          .map(({ text }) => text)
          .join('')}`;
      return `${String(role)}: ${anthropicText(part)}`;
    }),
  );

/** Encodes an answer for one protocol. */
interface Protocol {
  begin(): string;
  piece(
    piece: Extract<
      Piece,
      | { text: string }
      | { reasoning: string }
      | { call: string }
      | { providerCall: string }
      | { redacted: string }
    >,
    index: number,
  ): string;
  error(message: string): string;
  finish(hasCalls: boolean): string;
}

const data = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`;
const event = (value: { readonly type: string }): string => `event: ${value.type}\n${data(value)}`;

const openAi = (model: unknown): Protocol => {
  const chunk = (delta: object, finish: string | null = null): string =>
    data({
      id: 'c1',
      object: 'chat.completion.chunk',
      created: 1,
      model,
      choices: [{ index: 0, delta, finish_reason: finish }],
    });
  return {
    begin: () => chunk({ role: 'assistant', content: '' }),
    piece: (piece, index) => {
      if ('text' in piece) return chunk({ content: piece.text });
      if ('reasoning' in piece) return chunk({ reasoning_content: piece.reasoning });
      if ('providerCall' in piece || 'redacted' in piece)
        throw new TypeError('The chat completions API has no such call');
      const input = JSON.stringify(piece.input);
      const id = piece.id ?? `call_${index}`;
      const half = Math.floor(input.length / 2);
      return (
        chunk({
          tool_calls: [
            { index, id, type: 'function', function: { name: piece.call, arguments: input.slice(0, half) } },
          ],
        }) + chunk({ tool_calls: [{ index, function: { arguments: input.slice(half) } }] })
      );
    },
    error: (message) => data({ error: { message, type: 'server_error', code: null } }),
    finish: (hasCalls) =>
      chunk({}, hasCalls ? 'tool_calls' : 'stop') +
      data({
        id: 'c1',
        object: 'chat.completion.chunk',
        created: 1,
        model,
        choices: [],
        usage: {
          prompt_tokens: USAGE.input,
          completion_tokens: USAGE.output,
          total_tokens: USAGE.input + USAGE.output,
          prompt_tokens_details: { cached_tokens: USAGE.cached },
        },
      }) +
      'data: [DONE]\n\n',
  };
};

const anthropic = (model: unknown): Protocol => {
  const block = (index: number, start: object, deltas: readonly object[]): string =>
    event({ type: 'content_block_start', index, content_block: start } as never) +
    deltas.map((delta) => event({ type: 'content_block_delta', index, delta } as never)).join('') +
    event({ type: 'content_block_stop', index } as never);
  return {
    begin: () =>
      event({
        type: 'message_start',
        message: {
          id: 'm1',
          type: 'message',
          role: 'assistant',
          model,
          content: [],
          stop_reason: null,
          stop_sequence: null,
          usage: {
            input_tokens: USAGE.input - USAGE.cached,
            cache_read_input_tokens: USAGE.cached,
            output_tokens: 0,
          },
        },
      } as never),
    piece: (piece, index) => {
      if ('text' in piece)
        return block(index, { type: 'text', text: '' }, [{ type: 'text_delta', text: piece.text }]);
      if ('reasoning' in piece)
        return block(index, { type: 'thinking', thinking: '' }, [
          { type: 'thinking_delta', thinking: piece.reasoning },
          { type: 'signature_delta', signature: 'c2ln' },
        ]);
      if ('redacted' in piece) return block(index, { type: 'redacted_thinking', data: piece.redacted }, []);
      if ('providerCall' in piece)
        return block(
          index,
          {
            type: 'mcp_tool_use',
            id: `srvtoolu_${index}`,
            name: piece.providerCall,
            server_name: 's',
            input: {},
          },
          [],
        );
      const input = JSON.stringify(piece.input);
      return block(
        index,
        { type: 'tool_use', id: piece.id ?? `toolu_${index}`, name: piece.call, input: {} },
        [
          { type: 'input_json_delta', partial_json: input.slice(0, 3) },
          { type: 'input_json_delta', partial_json: input.slice(3) },
        ],
      );
    },
    error: (message) => event({ type: 'error', error: { type: 'api_error', message } } as never),
    finish: (hasCalls) =>
      event({
        type: 'message_delta',
        delta: { stop_reason: hasCalls ? 'tool_use' : 'end_turn', stop_sequence: null },
        usage: { output_tokens: USAGE.output },
      } as never) + event({ type: 'message_stop' }),
  };
};

/** A model server on a real socket. It streams chat completions and Anthropic messages. */
export class FakeModelServer {
  /** Chooses the answer to each request. Tests replace it at any time. */
  answer: Answer = ({ last }) => [{ text: `You said: ${last}` }];
  readonly requests: ReceivedRequest[] = [];
  readonly #server = createServer(
    { keepAliveTimeout: KEEP_ALIVE_MS },
    (request, response) => void this.#serve(request, response),
  );
  readonly #arrivals: { readonly count: number; readonly resolve: (received: ReceivedRequest) => void }[] =
    [];

  static async open(): Promise<FakeModelServer> {
    const server = new FakeModelServer();
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`;
  }

  /** Resolves with the request of a number, counted from 1, when it has arrived. */
  arrival(count: number): Promise<ReceivedRequest> {
    const received = this.requests[count - 1];
    if (received) return Promise.resolve(received);
    return new Promise((resolve) => this.#arrivals.push({ count, resolve }));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A client may disconnect at any time, which is no failure of the test.
    response.on('error', () => {});
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString('utf8');
    const body = JSON.parse(text) as Record<string, unknown>;
    const isAnthropic = request.url === '/v1/messages';
    const messages = body.messages as readonly Part[];
    const lines = isAnthropic
      ? [...partsOf(body.system).map(({ text }) => `system: ${String(text)}`), ...anthropicLines(messages)]
      : openAiLines(messages);
    const received: ReceivedRequest = {
      protocol: isAnthropic ? 'anthropic' : 'openai',
      headers: request.headers,
      body,
      text,
      lines,
      tools: ((body.tools ?? []) as readonly { name?: string; function?: { name: string } }[]).map(
        ({ name, function: definition }) => name ?? definition?.name ?? '',
      ),
      last: (lines.at(-1) ?? '').replace(/^\w+( \w+)?: /, ''),
      closed: new Promise((resolve) => response.once('close', resolve)),
    };
    this.requests.push(received);
    for (const { count, resolve } of this.#arrivals) if (count === this.requests.length) resolve(received);
    const reply = await this.answer(received);
    if ('raw' in reply) return this.#writeRaw(reply, response);
    if ('status' in reply) {
      response.writeHead(reply.status, { 'content-type': 'application/json', ...reply.headers });
      response.end(reply.body ?? '{}');
      return;
    }
    await this.#stream(reply, isAnthropic ? anthropic(body.model) : openAi(body.model), response);
  }

  async #stream(pieces: readonly Piece[], protocol: Protocol, response: ServerResponse): Promise<void> {
    const disconnected = new Promise<void>((resolve) => response.once('close', resolve));
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(protocol.begin());
    let calls = 0;
    for (const [index, piece] of pieces.entries()) {
      if (response.destroyed) return;
      // Data that was written still arrives. The end of the answer does not.
      if (piece === 'cut') return void response.socket?.end();
      if (piece === 'end') return void response.end();
      if (piece === 'hang') return disconnected;
      if ('until' in piece) await Promise.race([piece.until, disconnected]);
      else if ('drip' in piece) {
        const timer = setInterval(() => response.write(':'), piece.drip);
        await disconnected;
        clearInterval(timer);
      } else if ('flood' in piece) await this.#flood(piece, protocol, response, disconnected);
      else if ('error' in piece) response.write(protocol.error(piece.error));
      else {
        if ('call' in piece) calls += 1;
        response.write(protocol.piece(piece, index));
      }
    }
    if (!response.destroyed) response.end(protocol.finish(calls > 0));
  }

  async #writeRaw(
    { raw, contentType = 'text/event-stream', headers }: Extract<Reply, { raw: unknown }>,
    response: ServerResponse,
  ): Promise<void> {
    const disconnected = new Promise<void>((resolve) => response.once('close', resolve));
    response.writeHead(200, { 'content-type': contentType, ...headers });
    response.flushHeaders();
    for (const piece of raw) {
      if (typeof piece === 'string') response.write(piece);
      else if ('end' in piece) {
        if (piece.end === 'hang') return disconnected;
        // a client that has not read the data when it sees the cut discards it, and its test is about data that it read
        await Promise.race([setTimeout(CUT_MS), disconnected]);
        return void response.socket?.end();
      } else if ('until' in piece) await Promise.race([piece.until, disconnected]);
      else
        for (let time = 0; time < piece.times && !response.destroyed; time += 1) {
          response.write(piece.repeat);
          await Promise.race([setTimeout(piece.everyMs), disconnected]);
        }
    }
    response.end();
  }

  async #flood(
    { flood, of }: Extract<Piece, { flood: number }>,
    protocol: Protocol,
    response: ServerResponse,
    disconnected: Promise<void>,
  ): Promise<void> {
    const block = of === 'line' ? 'x'.repeat(65_536) : protocol.piece({ text: 'x'.repeat(65_536) }, 0);
    for (let sent = 0; sent < flood && !response.destroyed; sent += 65_536)
      if (!response.write(block)) await Promise.race([once(response, 'drain').catch(() => {}), disconnected]);
  }
}
