import { deserializeMessage, serializeMessage } from '@modelcontextprotocol/sdk/shared/stdio.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js';
import { ProcessGroup, type Program } from '@worker-runtime/core/plugin-kit';

/** The time that a server has to exit after its input was closed, and again after SIGTERM. */
export const EXIT_MS = 2_000;
const NEWLINE = 10;

/**
 * A tool server in processes of its own, with three differences to the transport of the SDK:
 * - All processes of the server end with it. A server is often started by a shell or by `npx`, which do not end what they started.
 * - The connection ends when the program exits, also if a process that it left behind holds its output open.
 * - A long message costs its length. The SDK copies and searches all that has arrived of it with each piece.
 */
export class McpProcessTransport implements Transport {
  onclose?: (() => void) | undefined;
  onerror?: ((error: Error) => void) | undefined;
  onmessage?: ((message: JSONRPCMessage) => void) | undefined;
  readonly #program: Program;
  readonly #maxMessageBytes: number;
  readonly #printed: (text: string) => void;
  #starting: Promise<ProcessGroup> | null = null;
  #process: ProcessGroup | null = null;
  #closing: Promise<void> | null = null;
  /** The pieces of the message that has not ended yet. */
  #pieces: Buffer[] = [];
  #bytes = 0;

  /** `printed` is called with what the server writes to standard error. */
  constructor(program: Program, maxMessageBytes: number, printed: (text: string) => void) {
    this.#program = program;
    this.#maxMessageBytes = maxMessageBytes;
    this.#printed = printed;
  }

  async start(): Promise<void> {
    this.#starting = ProcessGroup.start(this.#program);
    const process = await this.#starting;
    this.#process = process;
    process.errors.on('data', this.#printed);
    process.output.on('data', (piece: Buffer) => this.#take(piece));
    void process.exited.then(() => this.close());
  }

  /** Resolves when the message is in the pipe to the server. @throws Error "Not connected": the server did not get the message */
  send(message: JSONRPCMessage): Promise<void> {
    const input = this.#process?.input;
    if (!input?.writable) return Promise.reject(new Error('Not connected'));
    return new Promise((resolve, reject) => {
      input.write(serializeMessage(message), (error) => (error ? reject(error) : resolve()));
    });
  }

  /** Every call waits for the end of the process, also while another call is closing it. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const process = await this.#starting?.catch(() => null);
    await process?.close(EXIT_MS);
    this.onclose?.();
  }

  #take(piece: Buffer): void {
    let from = 0;
    for (let at = piece.indexOf(NEWLINE); at !== -1; at = piece.indexOf(NEWLINE, from)) {
      this.#keep(piece.subarray(from, at));
      from = at + 1;
      const line = Buffer.concat(this.#pieces).toString('utf8');
      this.#pieces = [];
      this.#bytes = 0;
      this.#receive(line);
    }
    this.#keep(piece.subarray(from));
  }

  #keep(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    if (this.#bytes <= this.#maxMessageBytes) return;
    this.#process?.output.destroy();
    this.#pieces = [];
    this.onerror?.(new Error(`The server sent a message of more than ${this.#maxMessageBytes} bytes`));
    void this.close();
  }

  #receive(line: string): void {
    try {
      this.onmessage?.(deserializeMessage(line));
    } catch (error) {
      this.onerror?.(error as Error);
    }
  }
}
