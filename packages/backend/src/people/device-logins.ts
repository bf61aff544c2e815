import { randomBytes, randomInt } from 'node:crypto';
import { RuntimeError } from '@worker-runtime/core';
import { limitReached } from '@worker-runtime/core/plugin-kit';
import type { Permission } from '@worker-runtime/core/scope';
import type { Person } from './person.ts';

const VALID_MS = 600_000;
const MAX_OPEN = 1_000;
/** Letters that no font and no reader confuses, and that spell no word (RFC 8628, 6.1). */
const LETTERS = 'BCDFGHJKLMNPQRSTVWXZ';
const LENGTH = 8;

/** The description of a program that waits for a person. */
export interface DeviceRequest {
  /** The name of the API token that it gets. */
  readonly name: string;
  readonly permissions: readonly Permission[];
  /** The address from which it asked. */
  readonly from: string | null;
}

interface Device {
  readonly request: DeviceRequest;
  readonly userCode: string;
  /** The steady time of its end, in ms: a clock that is set back would prolong it. */
  readonly until: number;
  /** The person who has allowed it; null if one has refused it. */
  decided?: Person | null;
  /** Wakes the program. */
  wake: () => void;
}

const newUserCode = (): string =>
  Array.from({ length: LENGTH }, () => LETTERS[randomInt(LETTERS.length)]).join('');

/** Returns a code as it is kept: people may write it in small letters, and with or without the dash. */
const plainOf = (userCode: string): string =>
  userCode
    .slice(0, 64)
    .toUpperCase()
    .replace(/[^A-Z]/g, '');

const ended = (): RuntimeError =>
  new RuntimeError('UNAUTHENTICATED', 'There is no such code, or it is used or too old');

/**
 * Programs on machines without a browser, each of which waits for a person who types its code elsewhere. They are in memory
 * only. A person gives the code of eight letters; the program itself has a secret one, with which it fetches its token.
 */
export class DeviceLogins {
  readonly #bySecret = new Map<string, Device>();
  readonly #validMs: number;

  constructor(validMs = VALID_MS) {
    this.#validMs = validMs;
  }

  /** Begins a login. @throws LIMIT_REACHED */
  begin(request: DeviceRequest): {
    readonly deviceCode: string;
    readonly userCode: string;
    readonly expiresAt: number;
  } {
    const now = performance.now();
    for (const [secret, { until }] of this.#bySecret) if (until <= now) this.#bySecret.delete(secret);
    if (this.#bySecret.size >= MAX_OPEN) throw limitReached('deviceLogins', MAX_OPEN);
    const deviceCode = randomBytes(32).toString('base64url');
    const userCode = newUserCode();
    this.#bySecret.set(deviceCode, { request, userCode, until: now + this.#validMs, wake: () => {} });
    return {
      deviceCode,
      userCode: `${userCode.slice(0, 4)}-${userCode.slice(4)}`,
      expiresAt: Date.now() + this.#validMs,
    };
  }

  /** Returns the program that waits with a code. @throws UNAUTHENTICATED there is none */
  find(userCode: string): DeviceRequest {
    return this.#waiting(userCode).request;
  }

  /** Decides about a program, once. `person` is the one who allows it; null refuses it. @throws UNAUTHENTICATED as `find` */
  decide(userCode: string, person: Person | null): DeviceRequest {
    const device = this.#waiting(userCode);
    device.decided = person;
    device.wake();
    return device.request;
  }

  /** @throws UNAUTHENTICATED the secret code is unknown, used or too old */
  assertOpen(deviceCode: string): void {
    this.#open(deviceCode);
  }

  /**
   * Waits for the decision about a program, and ends its login. Resolves with null if there is none within the time.
   * @throws UNAUTHENTICATED the secret code is unknown, used or too old · FORBIDDEN a person has refused the program
   */
  async fetch(
    deviceCode: string,
    waitMs: number,
  ): Promise<{ readonly person: Person; readonly request: DeviceRequest } | null> {
    const device = this.#open(deviceCode);
    if (device.decided === undefined)
      await new Promise<void>((resolve) => {
        // one program waits for one code, so a second call ends the wait of the first
        device.wake();
        const timer = setTimeout(resolve, Math.min(waitMs, device.until - performance.now()));
        device.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    const { decided, request } = device;
    if (decided === undefined) return null;
    if (!this.#bySecret.delete(deviceCode)) throw ended();
    if (decided === null) throw new RuntimeError('FORBIDDEN', 'The login was refused in the browser');
    return { person: decided, request };
  }

  #open(deviceCode: string): Device {
    const device = this.#bySecret.get(deviceCode);
    if (device === undefined || device.until <= performance.now()) throw ended();
    return device;
  }

  #waiting(userCode: string): Device {
    const plain = plainOf(userCode);
    for (const device of this.#bySecret.values())
      if (device.userCode === plain && device.decided === undefined && device.until > performance.now())
        return device;
    throw ended();
  }
}
