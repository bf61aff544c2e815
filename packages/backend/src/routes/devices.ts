import type { IncomingMessage } from 'node:http';
import { RuntimeError } from '@worker-runtime/core';
import { PERMISSIONS } from '@worker-runtime/core/scope';
import type { EmbedderAnswer, EmbedderRequest, EmbedderRoute } from '@worker-runtime/plugin-http';
import type { BackendAccess } from '../backend-access.ts';
import type { Credentials } from '../people/credentials.ts';
import type { DeviceLogins, DeviceRequest } from '../people/device-logins.ts';
import { networkOf } from '../people/network.ts';
import type { Person } from '../people/person.ts';
import { RateLimit } from '../people/rate-limit.ts';
import { devicePage } from './device-page.ts';
import { operation, ownOperation, pageOperation, pathParameter, requestOf, TEXT } from './operation.ts';
import { fieldsOf, refuseField, timeOf } from './route-body.ts';
import { namedPermissions, publicToken } from './tokens.ts';

/** The life of a token that a program gets in this way. */
const TOKEN_MS = 30 * 86_400_000;
/** The time for which the answer to a program waits for a decision, below the usual time limits of proxies. */
const WAIT_MS = 20_000;

export interface DeviceParts {
  readonly access: BackendAccess;
  readonly credentials: Credentials;
  readonly devices: DeviceLogins;
  readonly failedLogins: RateLimit;
  /** Returns the address of a page of the backend. */
  readonly pageUrl: (name: string) => string;
}

const deviceRequestOf = (body: unknown, from: string | null): DeviceRequest => {
  // every permission is the most that a person can pass on
  const { name, permission = PERMISSIONS } = fieldsOf(body, ['name', 'permission']);
  return { ...namedPermissions(name, permission), from };
};

const textIn = (body: unknown, field: string): string => {
  const { [field]: value } = fieldsOf(body, [field]);
  return typeof value === 'string' ? value : refuseField(field, 'must be a string');
};

/** The routes with which a program gets an API token from a person who is logged in on another machine. */
export const deviceRoutes = ({
  access,
  credentials,
  devices,
  failedLogins,
  pageUrl,
}: DeviceParts): readonly EmbedderRoute[] => {
  const page = devicePage();
  const begun = new RateLimit(30, 'Too many device logins have begun; try again in a minute');
  const begin = ({ from, body }: EmbedderRequest): EmbedderAnswer => {
    const request = deviceRequestOf(body, from);
    begun.take(networkOf(from));
    const { expiresAt, ...codes } = devices.begin(request);
    return { status: 201, body: { ...codes, url: pageUrl('device'), expiresAt: timeOf(expiresAt) } };
  };
  const fetch = async ({ raw, from, body }: EmbedderRequest): Promise<EmbedderAnswer> => {
    const code = textIn(body, 'deviceCode');
    // the wait is no attempt
    await failedLogins.attempt(networkOf(from), () => devices.assertOpen(code));
    const found = await devices.fetch(code, WAIT_MS);
    if (found === null) return { status: 202, body: { state: 'pending' } };
    const { person, request } = found;
    const { secret, credential } = await credentials.createToken(
      person,
      request.name,
      { permissions: request.permissions, workers: '*' },
      Date.now() + TOKEN_MS,
    );
    access.loggedIn(raw, credential);
    return { status: 201, body: { ...publicToken(credential.kept), token: secret } };
  };
  /** Returns the person who types a code. */
  const personOf = (raw: IncomingMessage): Person => {
    const { kind, person } = access.authenticate(raw).kept;
    if (kind !== 'session')
      throw new RuntimeError('FORBIDDEN', 'Only a person who is logged in may allow a program');
    return person;
  };
  /** Counts wrong codes for each person: behind a proxy, people may have one address. */
  const withCode = <T>(person: Person, act: () => T): Promise<T> =>
    failedLogins.attempt(`person ${person.name}`, act);
  const decide = async (raw: IncomingMessage, userCode: string, body: unknown): Promise<EmbedderAnswer> => {
    const person = personOf(raw);
    const { allow } = fieldsOf(body, ['allow']);
    if (typeof allow !== 'boolean') return refuseField('allow', 'must be true or false');
    return {
      status: 200,
      body: { ...(await withCode(person, () => devices.decide(userCode, allow ? person : null))) },
    };
  };
  const self = { permission: 'public' } as const;
  return [
    {
      ...self,
      method: 'GET',
      path: '/device',
      operation: pageOperation(
        'readDevicePage',
        'Returns the page on which a person types the code of a program',
      ),
      answer: () => ({ status: 200, headers: page.headers, body: page.html }),
    },
    {
      ...self,
      method: 'POST',
      path: '/v1/device-logins',
      operation: {
        ...operation(
          'beginDeviceLogin',
          'Begins the login of a program without a browser, and returns the code for its person',
          201,
          'The codes.',
        ),
        ...requestOf({ name: TEXT, permission: {} }, ['name']),
      },
      answer: begin,
    },
    {
      ...self,
      method: 'POST',
      path: '/v1/device-logins/token',
      operation: {
        ...operation(
          'finishDeviceLogin',
          'Waits for the person, and returns an API token; 202 if the person has not decided within 20 s',
          201,
          'The token.',
        ),
        ...requestOf({ deviceCode: TEXT }, ['deviceCode']),
      },
      answer: fetch,
    },
    {
      ...self,
      method: 'GET',
      path: '/v1/device-logins/:code',
      operation: ownOperation(
        'getDeviceLogin',
        'Returns the program that waits with a code',
        200,
        'The program.',
        [pathParameter('code')],
      ),
      answer: async ({ raw, path }) => ({
        status: 200,
        body: { ...(await withCode(personOf(raw), () => devices.find(path.code ?? ''))) },
      }),
    },
    {
      ...self,
      method: 'POST',
      path: '/v1/device-logins/:code',
      operation: {
        ...ownOperation(
          'decideDeviceLogin',
          'Allows or refuses the program with a code',
          200,
          'The program.',
          [pathParameter('code')],
        ),
        ...requestOf({ allow: { type: 'boolean' } }, ['allow']),
      },
      answer: ({ raw, path, body }) => decide(raw, path.code ?? '', body),
    },
  ];
};
