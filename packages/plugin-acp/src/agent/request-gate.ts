import type { AnyMessage } from '@agentclientprotocol/sdk';
import { methods } from '@agentclientprotocol/sdk';

/**
 * The most requests of an agent to answer at a time. Each may hold a whole file until the agent has taken the answer.
 */
const MAX_REQUESTS = 2;

/** The most permission requests at a time. Core refuses most of them: a run has few open requests. */
const MAX_PERMISSIONS = 64;

type Id = string | number | null;

const isPermission = (message: AnyMessage): boolean =>
  'method' in message && message.method === methods.client.session.requestPermission;

/** True if the SDK sends exactly one answer to a message, be it a refusal. */
const isAnswered = (message: AnyMessage): boolean =>
  'method' in message ? 'id' in message || typeof message.method !== 'string' : !('id' in message);

/**
 * Counts the requests of an agent whose answers it has not taken yet, and lets only a few be in progress. Further
 * messages stay in the pipe, so an agent that does not take its answers has to wait, and uses no memory of the runtime.
 */
export class RequestGate {
  /** The ids of our own requests that the agent has not answered. */
  readonly #asked = new Set<Id>();
  readonly #permissions = new Map<Id, number>();
  #permissionCount = 0;
  #requestCount = 0;
  #isClosed = false;
  #waiters: (() => void)[] = [];

  /** Called for each message to the agent before it is written. */
  sending(message: AnyMessage): void {
    if ('method' in message && 'id' in message) this.#asked.add(message.id as Id);
  }

  /** Called for each message to the agent that has been written, or that could not be. */
  sent(message: AnyMessage): void {
    if ('method' in message) return;
    const id = 'id' in message ? (message.id as Id) : null;
    const permissions = this.#permissions.get(id) ?? 0;
    if (permissions > 0) {
      this.#permissionCount -= 1;
      if (permissions === 1) this.#permissions.delete(id);
      else this.#permissions.set(id, permissions - 1);
    } else this.#requestCount = Math.max(0, this.#requestCount - 1);
    this.#wake();
  }

  /**
   * Resolves when a message of the agent may be handled: with true, or with false for a message that is to be ignored,
   * which is an answer to no request.
   */
  async admits(message: AnyMessage): Promise<boolean> {
    if (!isAnswered(message))
      return 'method' in message || this.#asked.delete('id' in message ? (message.id as Id) : null);
    await this.room();
    if (!isPermission(message)) this.#requestCount += 1;
    else {
      const { id } = message as { readonly id: Id };
      this.#permissions.set(id, (this.#permissions.get(id) ?? 0) + 1);
      this.#permissionCount += 1;
    }
    return true;
  }

  /** Resolves when another request can be taken from the agent. */
  async room(): Promise<void> {
    while (!this.#isClosed && !this.#hasRoom())
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  /** Lets all waiting continue, because the connection is closed. */
  close(): void {
    this.#isClosed = true;
    this.#wake();
  }

  #hasRoom(): boolean {
    return this.#requestCount < MAX_REQUESTS && this.#permissionCount < MAX_PERMISSIONS;
  }

  #wake(): void {
    for (const resolve of this.#waiters.splice(0)) resolve();
  }
}
