import type { BlockList } from 'node:net';
import { type EventType, RuntimeError } from '@worker-runtime/core';
import {
  list,
  type OptionReader,
  object,
  optional,
  readOptions,
  text,
  wholeNumber,
} from '@worker-runtime/core/plugin-kit';
import { rangesOf } from './address-rules.ts';

export interface WebhookEndpoint {
  /** The address that events are sent to. `http:` is refused unless `allow` names addresses. */
  readonly url: string;
  /**
   * The file with the secret: `whsec_` and base64, or two of them, separated by a space or a line, while receivers change from one to the
   * other. It is read for each delivery.
   */
  readonly secretFile?: string;
  /** The environment variable with the secret, in place of a file. */
  readonly secretVariable?: string;
  /** The types of events. Default: run.finished, request.opened and worker.stopped. */
  readonly types?: readonly EventType[];
  /** Only events of Workers that have all of these labels with these values. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Addresses and ranges that the endpoint may have although they are not public, such as `10.1.0.0/16`. */
  readonly allow?: readonly string[];
  /** The time for an answer, in milliseconds. Default 15,000. */
  readonly timeoutMs?: number;
}

export interface WebhooksOptions {
  /** The endpoints by name, as an object or as JSON text. A position in the events belongs to a name. */
  readonly endpoints?: Readonly<Record<string, WebhookEndpoint>>;
}

/** An endpoint with its defaults. */
export interface EndpointSettings {
  readonly name: string;
  readonly url: URL;
  readonly secret: { readonly file: string } | { readonly variable: string };
  readonly types: readonly EventType[];
  readonly labels: Readonly<Record<string, string>>;
  readonly named: BlockList;
  readonly timeoutMs: number;
}

/** The types that an endpoint can get. The others concern engines alone, or, as worker.deleted, take their log with them. */
const SENT: readonly EventType[] = [
  'worker.created',
  'worker.forked',
  'worker.updated',
  'worker.stopped',
  'worker.resumed',
  'input.accepted',
  'run.started',
  'run.continued',
  'run.finished',
  'step.started',
  'step.finished',
  'message.completed',
  'tool.called',
  'tool.finished',
  'request.opened',
  'request.resolved',
  'usage.recorded',
  'diagnostic.recorded',
];

const typesOf: OptionReader<readonly EventType[]> = (value, refuse) => {
  const types = list(value, refuse);
  const unknown = types.find((type) => !SENT.some((known) => known === type));
  return unknown === undefined && types.length > 0
    ? (types as readonly EventType[])
    : refuse(`must be a list of: ${SENT.join(', ')}`);
};

const labelsOf: OptionReader<Readonly<Record<string, string>>> = (value, refuse) => {
  const labels = object(value, refuse);
  for (const label of Object.values(labels))
    if (typeof label !== 'string') refuse('must have values of text');
  return labels as Readonly<Record<string, string>>;
};

const allowOf: OptionReader<BlockList> = (value, refuse) => {
  try {
    return rangesOf(list(value, refuse));
  } catch {
    return refuse('must be a list of addresses and ranges such as 10.1.0.0/16');
  }
};

const urlOf: OptionReader<URL> = (value, refuse) => {
  const given = text(value, refuse);
  const url = URL.canParse(given) ? new URL(given) : null;
  const isKnown = url?.protocol === 'https:' || url?.protocol === 'http:';
  return url && isKnown && url.username === '' && url.password === '' && url.hash === ''
    ? url
    : refuse('must be a URL with https, without a user and a fragment');
};

const endpointOf = (name: string, given: unknown): EndpointSettings => {
  const option = `webhooks.endpoints.${name}`;
  const { url, secretFile, secretVariable, allow, ...rest } = readOptions(option, given, {
    url: urlOf,
    secretFile: optional(text, null),
    secretVariable: optional(text, null),
    types: optional(typesOf, ['run.finished', 'request.opened', 'worker.stopped'] as const),
    labels: optional(labelsOf, {}),
    allow: optional(allowOf, null),
    timeoutMs: optional(wholeNumber(1, 300_000), 15_000),
  });
  if (url.protocol === 'http:' && allow === null)
    throw new RuntimeError(
      'INVALID_REQUEST',
      `${option}.url must have https, unless ${option}.allow names addresses`,
    );
  const named = allow ?? rangesOf([]);
  if (secretFile !== null && secretVariable === null)
    return { ...rest, name, url, named, secret: { file: secretFile } };
  if (secretVariable !== null && secretFile === null)
    return { ...rest, name, url, named, secret: { variable: secretVariable } };
  throw new RuntimeError('INVALID_REQUEST', `${option} must have either secretFile or secretVariable`);
};

const endpointsOf: OptionReader<readonly EndpointSettings[]> = (value, refuse) =>
  Object.entries(object(value, refuse)).map(([name, endpoint]) => endpointOf(name, endpoint));

/** Reads the options. @throws INVALID_REQUEST an option is unknown, missing or not valid */
export const settingsOf = (options: unknown): readonly EndpointSettings[] =>
  readOptions('webhooks', options, { endpoints: optional(endpointsOf, []) }).endpoints;
