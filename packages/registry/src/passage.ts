import type { IncomingMessage } from 'node:http';
import { RuntimeError } from '@worker-runtime/core';
import type { Connections } from './connections.ts';

/** The way to a remote runtime for one request. */
export interface Passage {
  readonly connections: Connections;
  /** The path of the runtime at its address: `/v1/runtimes/{id}`. */
  readonly path: string;
  /** The `Authorization` header; null sends none. */
  readonly authorization: string | null;
  readonly runtimeId: string;
  /**
   * Set between hosts of one cluster, which know the same callers: the credentials of the caller are passed on, and the number of hosts
   * that have passed on the request with them.
   */
  readonly hops?: number;
  /** Aborts when no answer is to be expected any more. An answer in progress then breaks off. */
  readonly cut?: AbortSignal;
  /** Called with the head of an answer that is passed on, before its first byte. */
  readonly answered: (isStream: boolean) => void;
}

/** The request headers that a runtime uses. Others, such as cookies and credentials of the caller, end at the registry. */
const REQUEST_HEADERS = [
  'accept',
  'content-length',
  'content-type',
  'idempotency-key',
  'last-event-id',
  'prefer',
  'traceparent',
  'tracestate',
  'x-request-id',
] as const;
/** The path of mounted handlers below their runtime. */
const MOUNTS = '/x/';
/**
 * The names of the headers that they read: those of their protocols, such as the session of the Model Context Protocol and the version of
 * A2A, and the address at which their client finds them.
 */
const MOUNT_HEADERS = /^((a2a|mcp)-[a-z0-9-]+|worker-runtime-address)$/;
/** The names of the headers of an answer that are passed on. */
const ANSWER_HEADERS =
  /^(allow|content-(?!security-policy-|encoding$).*|cross-origin-resource-policy|file-media-type|idempotent-replayed|location|page-.*|preference-applied|retry-after|runtime-id|x-accel-buffering)$/;
/** Those of an answer of a mounted handler, in addition: the headers of its protocol, and those about caches. */
const MOUNT_ANSWER_HEADERS = /^((a2a|mcp|x)-[a-z0-9-]+|cache-control|etag)$/;
/** The headers that this server sets itself. */
const OWN_HEADERS = /^x-(content-type-options|frame-options|request-id)$/;

/** The media types of the API, which a browser shows as text. */
const DATA = /^(application\/(problem\+)?json|application\/x-ndjson|text\/event-stream)(;|$)/;

/**
 * Returns the policy of content for an answer of this type; null if it needs none. The address of the answer is one of this server: a page of a
 * runtime on another machine would otherwise act for the person who opens it. It is the policy that runtimes send with files.
 */
export const policyFor = ({ hops }: Passage, type: string | undefined): string | null =>
  hops !== undefined || DATA.test(type ?? '')
    ? null
    : "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox";

/** Returns the error of a request that got no answer. */
export const unreachable = (
  { runtimeId }: Passage,
  message: string,
  reason: 'notSent' | 'maybeDone',
  cause?: unknown,
): RuntimeError =>
  new RuntimeError('RUNTIME_UNREACHABLE', message, { details: { runtimeId, reason }, cause });

/** Returns the path of a request below its runtime, with the query: `/workers/ada?…`. */
export const restOf = ({ url = '' }: IncomingMessage): string => {
  const prefix = '/v1/runtimes/';
  const idAt = url.indexOf(prefix) + prefix.length;
  const end = url.slice(idAt).search(/[/?]/);
  return end === -1 ? '' : url.slice(idAt + end);
};

/** True for a request to a mounted handler. */
export const isMounted = (request: IncomingMessage): boolean => restOf(request).startsWith(MOUNTS);

/** True if a header of the answer to a request is passed on. */
export const isPassedOn = (name: string, request: IncomingMessage): boolean =>
  ANSWER_HEADERS.test(name) ||
  (isMounted(request) && MOUNT_ANSWER_HEADERS.test(name) && !OWN_HEADERS.test(name));

/** The header with the number of hosts that have passed on a request. */
export const HOPS_HEADER = 'worker-runtime-hops';

/** Returns the headers that a request is passed on with. */
export const headersOf = (
  { authorization, hops }: Passage,
  request: IncomingMessage,
  requestId: string | undefined,
): Record<string, string | string[]> => {
  const { headers } = request;
  const passed: Record<string, string | string[]> = {};
  for (const name of REQUEST_HEADERS) if (headers[name] !== undefined) passed[name] = headers[name];
  if (isMounted(request)) {
    for (const name in headers) {
      const value = headers[name];
      if (value !== undefined && MOUNT_HEADERS.test(name)) passed[name] = value;
    }
  }
  if (requestId !== undefined) passed['x-request-id'] = requestId;
  if (authorization !== null) passed.authorization = authorization;
  if (hops !== undefined) {
    passed[HOPS_HEADER] = String(hops);
    if (headers.authorization !== undefined) passed.authorization = headers.authorization;
  }
  return passed;
};
