import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ErrorCode, type JsonObject, type Logger, RuntimeError } from '@worker-runtime/core';
import type { Caller } from './access/caller.ts';
import type { RoutePermission } from './access/permission.ts';

/** A request to a route of an embedder. Its body is parsed, and the gate has checked it like any other request. */
export interface EmbedderRequest {
  readonly raw: IncomingMessage;
  /** The sender; without any permission if the route is public. */
  readonly caller: Caller;
  /** The address of the client, behind the proxies of `trustedProxies`; null if it has left. */
  readonly from: string | null;
  /** The parsed JSON body; `undefined` without one. */
  readonly body: unknown;
  /** The parameters of the path. */
  readonly path: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string | string[] | undefined>>;
}

/** An answer of an embedder: a JSON value, or text with its media type. */
export interface EmbedderAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** Sent as JSON, unless the headers have a content type and it is a string. */
  readonly body?: unknown;
}

/** A route of the program that embeds the server. */
export interface EmbedderRoute {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** A path such as `/v1/tokens/:id`. It must not be a path of the server itself. */
  readonly path: string;
  readonly permission: RoutePermission;
  /** The names of the query parameters; none by default. `any` is for a page that reads them itself. */
  readonly query?: readonly string[] | 'any';
  /**
   * The OpenAPI operation, without the answers for errors. It has `security` only if the route is public for the server and
   * identifies its callers itself.
   */
  readonly operation: JsonObject;
  readonly answer: (request: EmbedderRequest) => EmbedderAnswer | Promise<EmbedderAnswer>;
}

/** One answer, before any byte of it is sent. */
export interface AnswerRecord {
  /** The request. Its `url` is without the prefix. */
  readonly request: IncomingMessage;
  readonly caller: Caller;
  /** The address of the client, behind the proxies of `trustedProxies`; null if it has left. */
  readonly from: string | null;
  readonly status: number;
  /** The code of the refusal; null for a success, and for an error of a runtime elsewhere. */
  readonly code: ErrorCode | null;
  /** The `Location` of what was created; null if the answer has none. */
  readonly location: string | null;
  readonly correlationId: string;
}

/** The parts of a server that the program around it adds. */
export interface Embedder {
  /**
   * Matches the beginning of a path that does not belong to the API, such as `/^\/w\/[a-z]+(?=\/)/`. Everything is served with
   * and without it; `prefixOf` returns it.
   */
  readonly prefix?: RegExp;
  readonly routes?: readonly EmbedderRoute[];
  /** The schemas of the routes, for the OpenAPI document. */
  readonly schemas?: Readonly<Record<string, JsonObject>>;
  /** Receives each answer before any byte of it is sent. If it throws, the connection is closed without an answer. */
  readonly record?: (record: AnswerRecord) => void;
}

/** Calls back with the status and the headers of an answer before any byte of it is sent. */
export const beforeAnswer = (
  response: ServerResponse,
  log: Logger,
  record: (status: number, location: string | null) => void,
): void => {
  const writeHead = response.writeHead.bind(response);
  response.writeHead = (...args: unknown[]) => {
    response.writeHead = writeHead;
    const [status, ...rest] = args;
    const headers = rest.at(-1);
    const given =
      typeof headers === 'object' && headers !== null && 'location' in headers ? headers.location : null;
    const location = given ?? response.getHeader('location');
    try {
      record(Number(status), typeof location === 'string' ? location : null);
    } catch (error) {
      log.error(
        { err: RuntimeError.from(error) },
        'an answer was not sent, because it could not be recorded',
      );
      response.destroy();
      return response;
    }
    return Reflect.apply(writeHead, undefined, args) as ServerResponse;
  };
};
