import { type ClientOptions, type RuntimeClient, runtimeClient } from '@worker-runtime/client';
import { archiveClient } from '@worker-runtime/client/archive';
import type { ServedArchives } from '@worker-runtime/core/archive';
import { clientFailure } from './client-failure.ts';
import { usageError } from './failure.ts';
import { keptTokenFor } from './kept-tokens.ts';
import { readLocalAccess } from './local-access.ts';
import type { Output } from './output.ts';
import { printable } from './printable.ts';
import { fetchThroughRestart } from './through-restart.ts';

/** The options that all client commands share. */
export interface ClientFlags {
  readonly url: string;
  /**
   * Default: WORKER_RUNTIME_TOKEN, else the one that a backend on this machine has written for its user, else the one of
   * `worker-runtime login`. Other users of the machine can read a command line.
   */
  readonly token: string | undefined;
  readonly json: boolean;
  /** The id of the runtime, where an address has several. Default: the only one. */
  readonly runtime: string | undefined;
}

/** The client and the output of one client command. */
export class ClientCommand {
  readonly client: RuntimeClient;
  readonly #options: ClientOptions;
  readonly isJson: boolean;
  readonly #output: Output;

  /** @throws Failure the address or the token is not valid */
  constructor({ url, token: given, json, runtime }: ClientFlags, output: Output) {
    const token = tokenFor(url, given);
    this.#options = {
      url,
      fetch: fetchThroughRestart,
      webSocket: globalThis.WebSocket ?? null,
      ...(token !== undefined && token !== '' && { token }),
      ...(runtime !== undefined && { runtime }),
    };
    try {
      this.client = runtimeClient(this.#options);
    } catch (error) {
      // the message is safe to show: the client never repeats a token
      throw usageError(error instanceof Error ? error.message : String(error));
    }
    this.isJson = json;
    this.#output = output;
  }

  /** The archives of the runtime, by the same way. */
  get archives(): ServedArchives {
    return archiveClient(this.#options);
  }

  /** Prints the whole answer: the body as JSON for a program, the text for a person. `columns` is the width of a terminal. */
  answer(body: unknown, forPeople: (columns: number | undefined) => string): void {
    this.#output.print(this.isJson ? JSON.stringify(body) : printable(forPeople(this.#output.columns)));
  }

  /** Prints one line of an answer that arrives in pieces. */
  line(forPrograms: string, forPeople: () => string): void {
    this.#output.print(this.isJson ? forPrograms : printable(forPeople()));
  }

  /** Resolves when there is room for more lines, or when the signal is aborted. */
  async room(signal: AbortSignal): Promise<void> {
    await this.#output.room?.(signal);
  }

  /** Prints a remark for people, outside the answer. */
  remark(text: string): void {
    this.#output.remark(printable(text));
  }
}

/**
 * Returns the token for an address: the given one, that of a backend of this user, or that of a login; `undefined` without any.
 * @throws Failure the address is not valid
 */
export const tokenFor = (url: string, given = process.env.WORKER_RUNTIME_TOKEN): string | undefined => {
  if (!URL.canParse(url) || !/^https?:\/\//.test(url))
    throw usageError(`--url must be an address such as http://127.0.0.1:8787, not "${url}"`);
  return given ?? localTokenFor(url) ?? keptTokenFor(url);
};

/** Returns the token for the backend of this user at an address; `undefined` if none runs there. */
const localTokenFor = (url: string): string | undefined => {
  const local = readLocalAccess(undefined);
  return local !== null && new URL(local.url).origin === new URL(url).origin ? local.token : undefined;
};

/** Runs a client command. @throws Failure the runtime refused a call, or cannot be reached */
export const runClientCommand = async (
  flags: ClientFlags,
  output: Output,
  act: (command: ClientCommand) => Promise<void>,
): Promise<void> => {
  const command = new ClientCommand(flags, output);
  try {
    await act(command);
  } catch (error) {
    throw clientFailure(error, flags.url);
  }
};
