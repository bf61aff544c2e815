import { lookup } from 'node:dns';
import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import type { Clock, Logger } from '@worker-runtime/core';
import { isAllowed } from './address-rules.ts';
import type { Message } from './message.ts';
import { Secrets } from './secrets.ts';
import type { EndpointSettings } from './webhooks-options.ts';

/** The bytes of an answer that are read to use its connection again. An answer with more loses its connection. */
const ANSWER_BYTES = 16_384;

/** The result of an attempt. `reason` is a status or a code: it names neither an address nor a URL. */
export type Attempt =
  | { readonly type: 'accepted' | 'gone' }
  | { readonly type: 'refused'; readonly reason: string; readonly retryAfterMs: number };

const refusedAddress = (): Error => Object.assign(new Error(), { code: 'ADDRESS_NOT_ALLOWED' });

/** Sends messages to one endpoint. It follows no redirect and connects only to addresses that are allowed. */
export class Sender {
  readonly #settings: EndpointSettings;
  readonly #clock: Clock;
  readonly #secrets: Secrets;
  readonly #agent: HttpAgent;
  readonly #request: typeof httpRequest;
  readonly #sending = new Set<ClientRequest>();
  #isClosed = false;

  constructor(settings: EndpointSettings, clock: Clock, log: Logger) {
    this.#settings = settings;
    this.#clock = clock;
    this.#secrets = new Secrets(settings, log);
    const isSecure = settings.url.protocol === 'https:';
    this.#agent = new (isSecure ? HttpsAgent : HttpAgent)({ keepAlive: true });
    this.#request = isSecure ? httpsRequest : httpRequest;
  }

  /** @throws INVALID_REQUEST the secret is missing or not valid */
  async open(): Promise<void> {
    await this.#secrets.read();
  }

  /** Makes one attempt. Never rejects. */
  async send({ id, body }: Message): Promise<Attempt> {
    const { url, named, timeoutMs } = this.#settings;
    const host = url.hostname.replace(/^\[|\]$/g, '');
    if (isIP(host) !== 0 && !isAllowed(host, named)) return this.#failed(refusedAddress());
    const seconds = Math.floor(this.#clock.now() / 1_000);
    const signature = await this.#secrets.sign(`${id}.${seconds}.${body}`);
    return new Promise((resolve) => {
      if (this.#isClosed) return resolve({ type: 'refused', reason: 'CLOSED', retryAfterMs: 0 });
      const sending = this.#request(url, {
        method: 'POST',
        agent: this.#agent,
        lookup: this.#lookup,
        signal: AbortSignal.timeout(timeoutMs),
        headers: {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
          'user-agent': 'worker-runtime-webhooks',
          'webhook-id': id,
          'webhook-timestamp': String(seconds),
          'webhook-signature': signature,
        },
      });
      this.#sending.add(sending);
      let attempt: Attempt | null = null;
      sending.on('error', (error) => {
        // the status has decided, and the rest of the answer changes nothing
        attempt ??= this.#failed(error);
      });
      sending.on('response', (answer) => {
        attempt = this.#answered(answer);
        let bytes = 0;
        answer.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > ANSWER_BYTES) answer.destroy();
        });
        answer.on('error', () => undefined);
      });
      // the next message begins when this one needs no connection any more
      sending.on('close', () => {
        this.#sending.delete(sending);
        resolve(attempt ?? this.#failed(new Error()));
      });
      sending.end(body);
    });
  }

  /** Ends attempts in progress. */
  close(): void {
    this.#isClosed = true;
    for (const sending of this.#sending) sending.destroy();
    this.#agent.destroy();
  }

  /** Resolves a name to its allowed addresses. The socket connects to these, so that no second answer of DNS matters. */
  readonly #lookup: LookupFunction = (name, options, done) => {
    lookup(name, { ...options, all: true }, (error, found) => {
      if (error) return done(error, '', 0);
      const allowed = found.filter(({ address }) => isAllowed(address, this.#settings.named));
      const [first] = allowed;
      if (!first) return done(refusedAddress(), '', 0);
      if (options.all) done(null, allowed);
      else done(null, first.address, first.family);
    });
  };

  #failed(error: Error): Attempt {
    const reason = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
    return { type: 'refused', reason, retryAfterMs: 0 };
  }

  #answered({ statusCode = 0, headers }: IncomingMessage): Attempt {
    if (statusCode >= 200 && statusCode < 300) return { type: 'accepted' };
    if (statusCode === 410) return { type: 'gone' };
    const after = headers['retry-after'] ?? '';
    const ms = /^\d{1,9}$/.test(after) ? Number(after) * 1_000 : Date.parse(after) - this.#clock.now();
    return { type: 'refused', reason: String(statusCode), retryAfterMs: Number.isNaN(ms) ? 0 : ms };
  }
}
