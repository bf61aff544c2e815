import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Logger, RuntimeError } from '@worker-runtime/core';
import type { Caller } from '../access/caller.ts';
import type { AddressOf } from '../access/client-address.ts';
import type { ConnectionLimit } from '../access/connection-limit.ts';
import { type Upstream, whenToCut } from '../directory.ts';
import { beforeAnswer, type Embedder } from '../embedder.ts';
import { answerError } from '../errors/answer-error.ts';
import { correlationIdOf } from '../logging/correlation.ts';
import { logAnswer } from '../logging/request-log.ts';
import { HttpReply } from '../message/http-reply.ts';
import { HttpRequest } from '../message/http-request.ts';
import type { Measurements } from '../metrics/measurements.ts';
import { addPublicAddress } from '../request-target.ts';
import type { Route, RouteTable } from '../route-table.ts';
import type { AnswerLimit } from '../traffic/answer-limit.ts';
import { assertTakesType } from '../wire/accepted-body.ts';
import { jsonOf } from '../wire/json-body.ts';
import type { BodyLimit } from './body-limit.ts';
import { answerPreflight, isPreflight } from './cors.ts';
import type { Gate } from './gate.ts';

export interface ExchangeParts {
  readonly gate: Gate;
  readonly routes: RouteTable;
  readonly bodies: BodyLimit;
  readonly answers: AnswerLimit;
  readonly connections: ConnectionLimit;
  readonly measurements: Measurements;
  readonly record: Embedder['record'];
  readonly addressOf: AddressOf;
  readonly log: Logger;
}

/** Node itself ends a response that cannot be written. */
const ignore = (): void => {};

/**
 * Takes each request through its steps: the gate, the body, the handler of its route, the answer, and the count of it. A step calls
 * the next one, and waits only for what takes time: most requests wait for nothing before their handler. Every error is answered in
 * one place.
 */
export class Exchanges {
  readonly #parts: ExchangeParts;

  constructor(parts: ExchangeParts) {
    this.#parts = parts;
  }

  /** Begins with a request. */
  begin(raw: IncomingMessage, response: ServerResponse): void {
    const { routes, answers, addressOf, record, log } = this.#parts;
    const found = routes.find(raw.method ?? '', raw.url ?? '');
    const request = new HttpRequest(raw, found, correlationIdOf(raw.headers['x-request-id']), addressOf(raw));
    const reply = new HttpReply(request, response, answers);
    response.on('error', ignore);
    response.on('close', () => this.#end(request, reply));
    if (record !== undefined)
      beforeAnswer(response, log, (status, location) => {
        const { caller, from, refusal: code, id: correlationId } = request;
        record({ request: raw, caller, from, status, code, location, correlationId });
      });
    // Node parses the bytes behind the head before the next microtask: then a body that has arrived can be read at once
    queueMicrotask(() => this.#pass(request, reply));
  }

  #pass(request: HttpRequest<Route>, reply: HttpReply): void {
    const { gate, routes } = this.#parts;
    try {
      gate.checkOrigin(request, reply);
      if (isPreflight(request, reply)) {
        const { url, headers } = request;
        const asked = routes.find(headers['access-control-request-method'] ?? '', url);
        answerPreflight(reply, routes.methodsAt(url), asked);
        return;
      }
      const caller = gate.identify(request);
      if (caller instanceof Promise)
        caller.then(
          (identified) => this.#admit(request, reply, identified),
          (error) => this.#fail(request, reply, error),
        );
      else this.#admit(request, reply, caller);
    } catch (error) {
      this.#fail(request, reply, error);
    }
  }

  #admit(request: HttpRequest<Route>, reply: HttpReply, caller: Caller | null): void {
    const { gate, answers, bodies } = this.#parts;
    try {
      if (caller !== null) request.caller = caller;
      const upstream = gate.admit(request, reply);
      // the body belongs to the other server
      if (upstream !== null) {
        void this.#passOn(upstream, request, reply);
        return;
      }
      answers.assertRoom(request.isRead);
      const hasBody = bodies.admit(request);
      if (!request.isRead) assertTakesType(request, hasBody);
      if (!hasBody || request.isRead) this.#handle(request, reply);
      else bodies.read(request, reply, (error, bytes) => this.#received(request, reply, error, bytes));
    } catch (error) {
      this.#fail(request, reply, error);
    }
  }

  #received(request: HttpRequest<Route>, reply: HttpReply, error: unknown, bytes: Buffer): void {
    try {
      if (error !== null) throw error;
      request.body = request.route?.takesBytes ? bytes : jsonOf(bytes);
    } catch (cause) {
      this.#fail(request, reply, cause);
      return;
    }
    this.#handle(request, reply);
  }

  #handle(request: HttpRequest<Route>, reply: HttpReply): void {
    try {
      const answer = request.route?.handler(request, reply);
      if (answer instanceof Promise)
        answer.then(
          (value) => this.#answer(request, reply, value),
          (error) => this.#fail(request, reply, error),
        );
      else this.#answer(request, reply, answer);
    } catch (error) {
      this.#fail(request, reply, error);
    }
  }

  #answer(request: HttpRequest<Route>, reply: HttpReply, value: unknown): void {
    if (value === reply) return;
    try {
      reply.send(value);
    } catch (error) {
      this.#fail(request, reply, error);
    }
  }

  #fail(request: HttpRequest<Route>, reply: HttpReply, cause: unknown): void {
    const { log } = this.#parts;
    const error = RuntimeError.from(cause);
    if (reply.isDone) {
      log.error({ correlationId: request.id, err: error }, 'a request failed after its answer');
      reply.raw.destroy();
      return;
    }
    answerError(log, error, request, reply);
  }

  /** Passes a request to a runtime elsewhere, which checks what the routes of a served runtime check. Resolves after the answer. */
  async #passOn(upstream: Upstream, request: HttpRequest<Route>, reply: HttpReply): Promise<void> {
    const { connections } = this.#parts;
    try {
      // the answer may be a stream or a long wait, which only its head tells
      const release = connections.hold(request.caller);
      if (release === null) throw connections.heldErrorFor(request.caller);
      const { raw } = reply;
      // the bytes of the answer belong to the runtime, so no closing frame can be put between them
      const stopWait = whenToCut(upstream, request.caller, () => raw.destroy());
      raw.on('close', () => {
        release();
        stopWait();
      });
      reply.rawWithHeaders();
      reply.askForBody();
      if (request.route?.isMounted) addPublicAddress(request.raw);
      await upstream.pass(request.raw, raw, request.caller);
      request.isStream = true;
      reply.hijack();
    } catch (error) {
      this.#fail(request, reply, error);
    }
  }

  /** Ends the holds of a request, counts its answer, and logs a successful one: an error has a log line already. */
  #end(request: HttpRequest<Route>, reply: HttpReply): void {
    const { bodies, answers, measurements, log } = this.#parts;
    bodies.release(request);
    answers.release(reply.transfer);
    // a client that left has no answer
    if (!reply.raw.writableFinished) return;
    const { route, refusal, isStream } = request;
    const durationMs = performance.now() - reply.startedAt;
    measurements.answered(
      route === null ? 'other' : route.method,
      route === null ? 'none' : route.path,
      reply.statusCode,
      isStream ? null : durationMs,
    );
    if (refusal !== null) measurements.refused(refusal);
    // the error of a mounted handler has no log line yet
    if (reply.statusCode < 400 || refusal === null) logAnswer(log, request, reply.statusCode, durationMs);
  }
}
